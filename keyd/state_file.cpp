#include "keyd/state_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "proxy/base/unix_errors.h"

namespace usher::keyd {
namespace {

constexpr mode_t kPrivate = S_IRUSR | S_IWUSR;

Unexpected<Error> failed(const std::string& path, const std::string& what, int error = errno) {
  return fail(path + ": " + what + ": " + errno_text(error));
}

std::string directory_of(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path();
  return parent.empty() ? "." : parent;
}

Result<void> check_directory(const std::string& directory) {
  struct stat status {};
  if (::stat(directory.c_str(), &status) != 0) {
    return failed(directory, "cannot look at the state's directory");
  }
  if (!S_ISDIR(status.st_mode)) {
    return fail(directory + ": not a directory");
  }
  if (status.st_uid != ::geteuid() && status.st_uid != 0) {
    return fail(directory + ": belongs to uid " + std::to_string(status.st_uid) +
                ", who could replace the state in it; it must be root's or uid " +
                std::to_string(::geteuid()) + "'s");
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return fail(directory + ": group or others could replace the state in it; chmod go-w");
  }
  if (::faccessat(AT_FDCWD, directory.c_str(), W_OK | X_OK, AT_EACCESS) != 0) {
    return failed(directory, "cannot write into the state's directory");
  }
  return {};
}

Result<void> check_file(int fd, const std::string& path) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) {
    return failed(path, "cannot look at it");
  }
  if (!S_ISREG(status.st_mode)) {
    return fail(path + ": not a regular file");
  }
  if (status.st_uid != ::geteuid()) {
    return fail(path + ": belongs to uid " + std::to_string(status.st_uid) +
                "; it must be this process', uid " + std::to_string(::geteuid()));
  }
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return fail(path + ": group or others have rights on it; chmod 600");
  }
  if (status.st_size > static_cast<off_t>(StateFile::kBytesMax)) {
    return fail(path + ": too large for a state");
  }
  return {};
}

Result<StateFile::Content> read_checked(const std::string& path) {
  // O_NONBLOCK: a FIFO must not keep us waiting.
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file) {
    if (errno == ENOENT) {
      return StateFile::Content();
    }
    return errno == ELOOP ? fail(path + ": is a symbolic link; name the file itself")
                          : failed(path, "cannot open it");
  }
  if (auto checked = check_file(file.value(), path); !checked) {
    return Unexpected(std::move(checked).error());
  }
  std::vector<std::byte> content(StateFile::kBytesMax);
  std::size_t size = 0;
  while (size < content.size()) {
    const ssize_t count = ::read(file.value(), content.data() + size, content.size() - size);
    if (count < 0 && errno != EINTR) {
      return failed(path, "cannot read it");
    }
    if (count == 0) {
      break;
    }
    size += count < 0 ? 0 : static_cast<std::size_t>(count);
  }
  content.resize(size);
  return StateFile::Content(std::move(content));
}

int write_all(int fd, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno != EINTR) {
      return errno;
    }
    bytes = bytes.subspan(count < 0 ? 0 : static_cast<std::size_t>(count));
  }
  return 0;
}

// The file with that content, on the disk; errno.
int write_new(const std::string& path, ByteView content) {
  const UniqueFd file(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, kPrivate));
  if (!file || ::fchmod(file.value(), kPrivate) != 0) {
    return errno;
  }
  if (const int error = write_all(file.value(), content); error != 0) {
    return error;
  }
  return ::fsync(file.value()) == 0 ? 0 : errno;
}

}  // namespace

Result<StateFile> StateFile::open(const std::string& path) {
  StateFile file(path);
  const std::string directory = directory_of(path);
  if (auto checked = check_directory(directory); !checked) {
    return Unexpected(std::move(checked).error());
  }
  file.directory_.reset(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!file.directory_) {
    return failed(directory, "cannot open the state's directory");
  }
  const std::string lock = path + ".lock";
  file.lock_.reset(::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kPrivate));
  if (!file.lock_) {
    return failed(lock, "cannot open it");
  }
  if (::flock(file.lock_.value(), LOCK_EX | LOCK_NB) != 0) {
    return errno == EWOULDBLOCK
               ? fail(path + ": another usher-keyd is using it (it holds " + lock + ")")
               : failed(lock, "cannot lock it");
  }
  if (::unlink((path + ".tmp").c_str()) != 0 && errno != ENOENT) {
    return failed(path + ".tmp", "cannot remove what an interrupted save left");
  }
  if (auto content = file.read(); !content) {
    return Unexpected(std::move(content).error());
  }
  return file;
}

Result<StateFile::Content> StateFile::inspect(const std::string& path) {
  if (auto checked = check_directory(directory_of(path)); !checked) {
    return Unexpected(std::move(checked).error());
  }
  return read_checked(path);
}

Result<StateFile::Content> StateFile::read() const {
  return read_checked(path_);
}

// The new content reaches the disk before the name leads to it, and the name before this returns.
Result<void> StateFile::replace(ByteView content) {
  const std::string temporary = path_ + ".tmp";
  if (::unlink(temporary.c_str()) != 0 && errno != ENOENT) {
    return failed(temporary, "cannot remove it");
  }
  if (const int error = write_new(temporary, content); error != 0) {
    (void)::unlink(temporary.c_str());
    return failed(temporary, "cannot save the state", error);
  }
  if (std::rename(temporary.c_str(), path_.c_str()) != 0) {
    return failed(path_, "cannot rename the new state into place");
  }
  if (::fsync(directory_.value()) != 0) {
    return failed(path_, "cannot make its directory durable");
  }
  return {};
}

}  // namespace usher::keyd
