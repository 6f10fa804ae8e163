#include "proxy/admin/control_socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <utility>

#include "proxy/base/unix_errors.h"

namespace usher::admin {
namespace {

constexpr std::size_t kPathMax = sizeof(sockaddr_un::sun_path) - 1;

Unexpected<Error> failure(const std::string& path, const std::string& why) {
  return fail("control socket " + path + ": " + why);
}

// `path` split for the *at() calls.
struct Place {
  std::string directory;
  std::string name;
};

Place split(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) {
    return {".", path};
  }
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

bool stat_at(const UniqueFd& directory, const std::string& name, struct stat& status) {
  return ::fstatat(directory.value(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
}

// Whoever could write the directory could put a socket of theirs in our place and be asked for
// keys.
Result<void> check_directory(const std::string& path, const struct stat& status, uid_t owner) {
  if (status.st_uid != 0 && status.st_uid != owner) {
    return fail(fmt::format("{} belongs to uid {}; it must belong to root or to uid {}", path,
                            status.st_uid, owner));
  }
  // Sticky (/tmp) is no excuse: others could take the name first.
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return fail(
        fmt::format("{} can be written by others (mode {:04o}); use a directory of its own, "
                    "or chmod go-w",
                    path, status.st_mode & 07777));
  }
  return {};
}

Result<UniqueFd> open_directory(const std::string& path, uid_t owner) {
  const bool created = ::mkdir(path.c_str(), 0755) == 0;
  if (!created && errno != EEXIST) {
    return fail("cannot create the directory " + path + ": " + errno_text(errno));
  }
  const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | (created ? O_NOFOLLOW : 0);
  UniqueFd directory(::open(path.c_str(), flags));
  struct stat status {};
  if (!directory || ::fstat(directory.value(), &status) != 0) {
    return fail("cannot open the directory " + path + ": " + errno_text(errno));
  }
  // The umask may have taken bits that clients of other users need.
  if (created && status.st_uid == ::geteuid() &&
      (::fchmod(directory.value(), 0755) != 0 ||
       (owner != status.st_uid &&
        ::fchown(directory.value(), owner, static_cast<gid_t>(-1)) != 0) ||
       ::fstat(directory.value(), &status) != 0)) {
    return fail("cannot prepare the directory " + path + ": " + errno_text(errno));
  }
  if (auto checked = check_directory(path, status, owner); !checked) {
    return Unexpected(std::move(checked).error());
  }
  return directory;
}

// Held while a dead socket is looked at and replaced. Only root and the owner can open the file
// (0600 in a directory of theirs), so no stranger can hold it against us.
class StartLock {
 public:
  StartLock(const UniqueFd& directory, const std::string& socket_name)
      : directory_(directory), name_("." + socket_name + ".lock") {}
  StartLock(const StartLock&) = delete;
  ~StartLock() {
    if (held_) {
      ::unlinkat(directory_.value(), name_.c_str(), 0);  // before the descriptor lets go
    }
  }

  Result<void> acquire() {
    // The file that we locked may have been removed by its last holder in between: then the lock is
    // on nothing that others see, and a second look finds theirs.
    for (int attempt = 0; attempt < 10; ++attempt) {
      file_.reset(::openat(directory_.value(), name_.c_str(),
                           O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
      if (!file_) {
        return fail("cannot create " + name_ + " beside it: " + errno_text(errno));
      }
      if (::flock(file_.value(), LOCK_EX | LOCK_NB) != 0) {
        return fail("another process is starting on it at this moment");
      }
      struct stat locked {};
      struct stat seen {};
      if (::fstat(file_.value(), &locked) == 0 && stat_at(directory_, name_, seen) &&
          locked.st_ino == seen.st_ino && locked.st_dev == seen.st_dev) {
        held_ = true;
        return {};
      }
    }
    return fail("other processes keep starting on it");
  }

 private:
  const UniqueFd& directory_;
  const std::string name_;
  UniqueFd file_;
  bool held_ = false;
};

UniqueFd unix_socket() {
  return UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, kPathMax);
  return address;
}

// Whether nobody listens: anything but a refusal (a full queue, no permission) counts as somebody.
bool is_dead(const std::string& path) {
  const UniqueFd probe = unix_socket();
  const sockaddr_un address = address_of(path);
  return probe &&
         ::connect(probe.value(), reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
             0 &&
         errno == ECONNREFUSED;
}

// Makes the name free, with the StartLock held.
Result<void> remove_dead(const UniqueFd& directory, const std::string& name,
                         const std::string& path) {
  struct stat status {};
  if (!stat_at(directory, name, status)) {
    return errno == ENOENT ? Result<void>() : fail(errno_text(errno));
  }
  if (!S_ISSOCK(status.st_mode)) {
    return fail(
        "there is a file of that name that is not a socket; remove it or choose another path");
  }
  if (!is_dead(path)) {
    return fail("another process is listening on it; stop that one or choose another path");
  }
  if (::unlinkat(directory.value(), name.c_str(), 0) != 0) {
    return fail("cannot remove the dead socket: " + errno_text(errno));
  }
  return {};
}

// Bound and listening, mode 0666; `status` says which file it is.
Result<UniqueFd> bind_and_listen(const UniqueFd& directory, const std::string& name,
                                 const std::string& path, struct stat& status) {
  UniqueFd fd = unix_socket();
  const sockaddr_un address = address_of(path);
  // The mode comes from bind() itself: a chmod by name could be led elsewhere by whoever may write
  // the directory, which is a user with fewer rights than root.
  const mode_t before = ::umask(0111);
  const int bound =
      fd ? ::bind(fd.value(), reinterpret_cast<const sockaddr*>(&address), sizeof address) : -1;
  const int error = errno;
  ::umask(before);
  if (bound != 0) {
    return fail(errno_text(error));
  }
  // bind() went by the path, the rest by the checked directory: if they differ, nothing is found
  // here.
  if (!stat_at(directory, name, status) || !S_ISSOCK(status.st_mode) ||
      ::listen(fd.value(), kBacklog) != 0) {
    const std::string why = errno_text(errno);
    ::unlinkat(directory.value(), name.c_str(), 0);
    return fail(why);
  }
  return fd;
}

}  // namespace

Result<ControlSocket> ControlSocket::listen(const std::string& path, uid_t owner) {
  const Place place = split(path);
  if (place.name.empty() || path.find('\0') != std::string::npos) {
    return failure(path, "that is not a file's path");
  }
  if (path.size() > kPathMax) {
    return failure(
        path, fmt::format("the path has {} bytes; a socket's may have {}", path.size(), kPathMax));
  }
  auto directory = open_directory(place.directory, owner);
  if (!directory) {
    return failure(path, directory.error().message);
  }
  StartLock lock(*directory, place.name);
  if (auto locked = lock.acquire(); !locked) {
    return failure(path, locked.error().message);
  }
  if (auto free = remove_dead(*directory, place.name, path); !free) {
    return failure(path, free.error().message);
  }
  struct stat status {};
  auto fd = bind_and_listen(*directory, place.name, path, status);
  if (!fd) {
    return failure(path, fd.error().message);
  }
  ControlSocket socket;
  socket.path_ = path;
  socket.fd_ = *std::move(fd);
  socket.device_ = status.st_dev;
  socket.inode_ = status.st_ino;
  return socket;
}

ControlSocket::ControlSocket(ControlSocket&& other) noexcept
    : path_(std::exchange(other.path_, {})),
      fd_(std::move(other.fd_)),
      device_(other.device_),
      inode_(other.inode_) {}

ControlSocket& ControlSocket::operator=(ControlSocket&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(device_, other.device_);
  std::swap(inode_, other.inode_);
  return *this;
}

ControlSocket::~ControlSocket() {
  struct stat status {};
  if (!path_.empty() && ::lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ &&
      status.st_ino == inode_) {
    ::unlink(path_.c_str());
  }
}

UniqueFd ControlSocket::take_fd() {
  return std::move(fd_);
}

}  // namespace usher::admin
