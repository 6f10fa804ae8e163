#include "proxy/ctl/socket_stream.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <thread>
#include <utility>

#include "proxy/base/unix_errors.h"
#include "proxy/ctl/text.h"

namespace usher::ctl {
namespace {

constexpr std::chrono::milliseconds kQueueLook(20);

bool is_socket(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode);
}

std::string connect_error(const std::string& path, int error) {
  const std::string shown = printable(path);
  switch (error) {
    case ENOENT:
      return shown +
             ": there is no such socket; is the daemon running, and is this the socket of its "
             "configuration? (--socket PATH asks another)";
    case ECONNREFUSED:
      return shown + (is_socket(path) ? ": nobody listens on it; the daemon that made it has ended"
                                      : ": that is no socket");
    case EACCES:
      return shown + ": permission denied for uid " + std::to_string(::geteuid()) +
             "; become root or the user that the daemon runs as";
    case EPROTOTYPE:
      return shown + ": that is no control socket";
    default:
      return shown + ": " + errno_text(error);
  }
}

std::string silence(const std::string& path) {
  return path + ": no answer in time; the daemon is stopped or very busy";
}

std::optional<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return std::nullopt;
  }
  path.copy(address.sun_path, path.size());
  return address;
}

UniqueFd stream_socket() {
  return UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

// 0 or errno.
int connect_once(int fd, const sockaddr_un& address) {
  while (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

}  // namespace

Result<SocketStream> SocketStream::connect(const std::string& path, Clock::time_point deadline) {
  const auto address = address_of(path);
  if (!address) {
    return fail("\"" + printable(path) + "\": a socket's path has 1 to " +
                std::to_string(sizeof address->sun_path - 1) + " bytes");
  }
  UniqueFd fd = stream_socket();
  if (!fd) {
    return fail(errno_text(errno));
  }
  // A full queue is EAGAIN, and nothing tells when there is room (unix(7)).
  while (const int error = connect_once(fd.value(), *address)) {
    if (error != EAGAIN) {
      return fail(connect_error(path, error));
    }
    if (Clock::now() + kQueueLook >= deadline) {
      return fail(silence(printable(path)));
    }
    std::this_thread::sleep_for(kQueueLook);
  }
  return SocketStream(std::move(fd), printable(path), deadline);
}

bool SocketStream::has_listener(const std::string& path) {
  const auto address = address_of(path);
  const UniqueFd fd = stream_socket();
  const int error = address && fd ? connect_once(fd.value(), *address) : ENOENT;
  return error != ENOENT && error != ECONNREFUSED;
}

Result<void> SocketStream::wait(short events) {
  pollfd waiting{fd_.value(), events, 0};
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
    const int ready = ::poll(&waiting, 1, static_cast<int>(std::max<decltype(left)>(left, 0)));
    if (ready > 0) {
      return {};
    }
    if (ready == 0) {
      return fail(silence(path_));
    }
    if (errno != EINTR) {
      return fail(path_ + ": " + errno_text(errno));
    }
  }
}

Result<void> SocketStream::write(ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_.value(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
    } else if (errno == EPIPE || errno == ECONNRESET) {
      return {};  // a refusal may be on its way: reading tells
    } else if (errno == EAGAIN) {
      if (auto ready = wait(POLLOUT); !ready) {
        return ready;
      }
    } else if (errno != EINTR) {
      return fail(path_ + ": " + errno_text(errno));
    }
  }
  return {};
}

Result<std::size_t> SocketStream::read(std::span<std::byte> into) {
  for (;;) {
    const ssize_t received = ::recv(fd_.value(), into.data(), into.size(), 0);
    if (received >= 0) {
      return static_cast<std::size_t>(received);
    }
    if (errno == ECONNRESET) {
      return std::size_t{0};
    }
    if (errno == EAGAIN) {
      if (auto ready = wait(POLLIN); !ready) {
        return Unexpected(std::move(ready).error());
      }
    } else if (errno != EINTR) {
      return fail(path_ + ": " + errno_text(errno));
    }
  }
}

}  // namespace usher::ctl
