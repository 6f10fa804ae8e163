#pragma once

#include <optional>
#include <string>
#include <vector>

#include "proxy/base/bytes.h"
#include "proxy/base/result.h"
#include "proxy/base/unique_fd.h"

namespace usher::keyd {

// One file whose content is replaced as a whole: at every instant, also one of kill -9 or a power
// cut, the name leads to the old content or to the new one. Beside it lie PATH.lock (kept, its lock
// is held while open) and, during a save, PATH.tmp.
// Thread: one; calls block for as long as the disk takes. Owner: FileStore.
class StateFile {
 public:
  using Content = std::optional<std::vector<std::byte>>;  // none: there is no file yet

  // Takes the lock and removes what an interrupted save left. Refused: a directory in which others
  // may replace files, or this process may not; a lock that another process holds; what read()
  // refuses.
  static Result<StateFile> open(const std::string& path);
  // Without lock and without a change, for --check.
  static Result<Content> inspect(const std::string& path);

  // Refused: not a regular file, another owner than this process, any right for group or others,
  // more than `kBytesMax`.
  Result<Content> read() const;
  // Durable when it returns without an error.
  Result<void> replace(ByteView content);

  const std::string& path() const { return path_; }

  static constexpr std::size_t kBytesMax = 2 * std::size_t{1024 * 1024};

 private:
  explicit StateFile(std::string path) : path_(std::move(path)) {}

  std::string path_;
  UniqueFd directory_;
  UniqueFd lock_;
};

}  // namespace usher::keyd
