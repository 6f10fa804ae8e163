#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "proxy/base/result.h"
#include "proxy/keyring/key_file.h"
#include "proxy/server/ring_in_force.h"
#include "proxy/uv/timer.h"

namespace usher::server {

// What tells one state of a file from another, also after an atomic rename or a write that keeps
// size and mtime: ctime cannot be set back. All zero: there is no such file.
struct FileStamp {
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  std::int64_t changed_ns = 0;  // ctime
  bool operator==(const FileStamp&) const = default;
};

struct KeyFilesRead {
  std::vector<keyring::KeyFile> files;
  std::vector<FileStamp> stamps;  // of the files as they were read
};

// Regular files of at most kKeyFileBytesMax. Errors: FILE, what was expected, what to do. Thread:
// any.
Result<KeyFilesRead> read_key_files(const std::vector<std::string>& paths);
// What the files hold, all of one format. Errors as parse_key_files.
Result<keyring::KeyRing> ring_of(const KeyFilesRead& read, std::uint64_t version,
                                 keyring::AgePolicy policy);

// tickets.source = "file": the ring of the key files, read again when they change. A bad file keeps
// the old ring and says why, once. A change counts when it has stood still for a look: several
// files that are replaced one after the other are taken together. Thread: main's loop. Owner: the
// key source.
class KeyFiles {
 public:
  static constexpr std::chrono::milliseconds kLookEvery{500};

  KeyFiles(uv::Loop& loop, RingInForce& ring, std::chrono::milliseconds look_every = kLookEvery);

  // At start and after each reload; `read` is what `paths` held when the configuration was checked.
  // Files that hold the keys in force change nothing.
  Result<void> configure(std::vector<std::string> paths, keyring::AgePolicy policy,
                         const KeyFilesRead& read);
  void stop();  // another source has taken over
  void close();
  const std::vector<std::string>& paths() const { return paths_; }

 private:
  void on_timer();
  void read_again();
  Result<void> take(const KeyFilesRead& read);

  RingInForce& ring_;
  const std::chrono::milliseconds look_every_;
  std::vector<std::string> paths_;
  keyring::AgePolicy policy_;
  std::vector<FileStamp> tried_;      // read last, with or without success
  std::vector<FileStamp> unsettled_;  // seen at the last look, not yet read
  std::uint64_t version_ = 0;         // of the last ring; grows for as long as the process lives
  uv::Timer timer_;
};

}  // namespace usher::server
