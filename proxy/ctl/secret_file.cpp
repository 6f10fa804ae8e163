#include "proxy/ctl/secret_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "proxy/base/unique_fd.h"
#include "proxy/base/unix_errors.h"
#include "proxy/ctl/text.h"

namespace usher::ctl {
namespace {

Unexpected<Error> failure(const std::string& path, const std::string& why) {
  return fail(printable(path) + ": " + why);
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

Result<void> write_all(int fd, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) {
      return fail(errno_text(errno));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
  }
  return {};
}

// A new file beside the target; its own name goes with the object.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string path) : path_(std::move(path)) {}
  TemporaryFile(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (fd_ && !renamed_) {
      ::unlink(path_.c_str());
    }
  }

  Result<void> create(ByteView bytes) {
    fd_.reset(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd_) {
      return fail("cannot create a file beside it: " + errno_text(errno));
    }
    if (auto written = write_all(fd_.value(), bytes); !written) {
      return written;
    }
    return ::fsync(fd_.value()) == 0 ? Result<void>() : fail(errno_text(errno));
  }

  // Without `replace` the kernel decides: nobody can slip a file in between.
  Result<void> put_at(const std::string& target, bool replace) {
    renamed_ = ::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target.c_str(),
                           replace ? 0 : RENAME_NOREPLACE) == 0;
    if (renamed_) {
      return {};
    }
    // Some file systems (NFS) cannot rename so, but have links.
    const bool linked = !replace && errno == EINVAL && ::link(path_.c_str(), target.c_str()) == 0;
    return linked ? Result<void>() : fail(errno_text(errno));
  }

 private:
  const std::string path_;
  UniqueFd fd_;
  bool renamed_ = false;
};

std::string temporary_name(const std::string& path) {
  std::array<std::byte, 8> random{};
  CHECK(::getrandom(random.data(), random.size(), 0) == static_cast<ssize_t>(random.size()));
  const std::size_t slash = path.rfind('/');
  const std::size_t name = slash == std::string::npos ? 0 : slash + 1;
  return path.substr(0, name) + "." + path.substr(name) + "." + hex(random);
}

}  // namespace

Result<SecretBuffer> read_secret_file(const std::string& path, std::size_t bytes_max) {
  const bool standard_input = path == "-";
  UniqueFd opened;
  if (!standard_input) {
    opened.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!opened) {
      return failure(path, errno_text(errno));
    }
  }
  const int fd = standard_input ? STDIN_FILENO : opened.value();
  const std::string name = standard_input ? "standard input" : path;
  SecretBuffer buffer(bytes_max + 1);
  std::size_t size = 0;
  while (size <= bytes_max) {
    const ssize_t count = ::read(fd, buffer.bytes().data() + size, buffer.size() - size);
    if (count == 0) {
      break;
    }
    if (count < 0 && errno != EINTR) {
      return failure(name, errno_text(errno));
    }
    size += static_cast<std::size_t>(std::max<ssize_t>(count, 0));
  }
  if (size == 0 || size > bytes_max) {
    return failure(name,
                   size == 0 ? "it is empty" : fmt::format("it has more than {} bytes", bytes_max));
  }
  SecretBuffer whole(size);
  std::ranges::copy(buffer.bytes().first(size), whole.bytes().begin());
  return whole;
}

Result<void> check_target(const std::string& path, bool replace) {
  struct stat status {};
  if (path.empty() || path == "-" || path.ends_with('/')) {
    return failure(path, "that is no file's name; keys go to a file of their own");
  }
  if (::lstat(path.c_str(), &status) != 0) {
    return errno == ENOENT ? Result<void>() : failure(path, errno_text(errno));
  }
  if (!replace) {
    return failure(path, "it exists already; --replace replaces it");
  }
  return S_ISREG(status.st_mode) ? Result<void>()
                                 : failure(path, "it exists and is no regular file");
}

Result<void> write_secret_file(const std::string& path, ByteView bytes, bool replace) {
  if (auto free = check_target(path, replace); !free) {
    return free;
  }
  TemporaryFile file(temporary_name(path));
  auto done = file.create(bytes);
  if (done) {
    done = file.put_at(path, replace);
  }
  if (!done) {
    return failure(path, done.error().message);
  }
  const UniqueFd directory(::open(directory_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || ::fsync(directory.value()) != 0) {
    return failure(path, "written, but perhaps not durable: " + errno_text(errno));
  }
  return {};
}

}  // namespace usher::ctl
