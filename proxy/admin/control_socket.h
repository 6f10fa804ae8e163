#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <string>

#include "proxy/admin/peer_access.h"
#include "proxy/base/result.h"
#include "proxy/base/unique_fd.h"

namespace usher::admin {

inline constexpr int kBacklog = 64;  // of operators and scrapers, not of clients

// A listening Unix socket, mode 0666, in a directory that only root or the owner can write; who may
// do what is decided by peer_access. A live socket is never unlinked, a dead one is replaced; two
// processes that start at once are kept apart by a lock file that exists only meanwhile. Removes
// its file when destroyed, if it still is its own and the directory lets it. Thread: any one.
// Owner: the server.
class ControlSocket {
 public:
  // `owner`: who besides root may own the directory: the user that the process will run as. A
  // missing directory (not its parents) is made 0755 for that user. Errors name the path and what
  // to do.
  static Result<ControlSocket> listen(const std::string& path, uid_t owner = ::geteuid());
  ControlSocket(ControlSocket&& other) noexcept;
  ControlSocket& operator=(ControlSocket&& other) noexcept;
  ~ControlSocket();

  UniqueFd take_fd();  // once; non-blocking, close-on-exec

 private:
  ControlSocket() = default;
  std::string path_;  // "" when there is nothing to remove
  UniqueFd fd_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace usher::admin
