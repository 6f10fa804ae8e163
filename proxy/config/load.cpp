#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>

#include "proxy/base/unique_fd.h"
#include "proxy/base/unix_errors.h"
#include "proxy/config/parse.h"

namespace usher::config {
namespace {

// One byte more than parse() takes: it says what is wrong with longer files.
constexpr std::size_t kReadBytesMax = (1 << 20) + 1;

Unexpected<Problems> refuse(const std::string& path, const std::string& what) {
  return Unexpected(Problems{
      {path + ": " + what + "; expected a configuration file; check path and permissions"}});
}

Result<std::string, Problems> read_all(int fd, const std::string& path) {
  std::string text;
  std::array<char, 65536> chunk;
  while (text.size() < kReadBytesMax) {
    const ssize_t count =
        ::read(fd, chunk.data(), std::min(chunk.size(), kReadBytesMax - text.size()));
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return refuse(path, "cannot be read: " + errno_text(errno));
    }
    if (count == 0) {
      break;
    }
    text.append(chunk.data(), static_cast<std::size_t>(count));
  }
  return text;
}

}  // namespace

Result<std::string, Problems> read_text(const std::string& path) {
  // Not blocking: opening a FIFO would wait for its writer, at reload with all workers' signals.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) {
    return refuse(path, "cannot be opened: " + errno_text(errno));
  }
  struct stat status {};
  if (::fstat(fd.value(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return refuse(path, "is no regular file");
  }
  return read_all(fd.value(), path);
}

Result<Config, Problems> load(const std::string& path) {
  auto text = read_text(path);
  if (!text) {
    return Unexpected(std::move(text).error());
  }
  return parse(*text, path);
}

}  // namespace usher::config
