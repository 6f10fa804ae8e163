#include "proxy/uv/stream.h"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace usher::uv {
namespace {

// Answers and records are written whole; waiting for more would only delay them.
void set_no_delay(int fd) {
  const int on = 1;
  (void)::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

IoResult failure() {
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
    return {};
  }
  return {IoStatus::kFailed, 0, errno};
}

}  // namespace

int Stream::begin_connect(const SocketAddress& to) {
  fd_.reset(::socket(to.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd_) {
    return errno;
  }
  set_no_delay(fd_.value());
  if (::connect(fd_.value(), to.raw(), to.raw_size()) == 0 || errno == EINPROGRESS) {
    return 0;
  }
  const int error = errno;
  fd_.reset();
  return error;
}

int Stream::connect_result() const {
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(fd_.value(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

bool Stream::connected() const {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  return ::getpeername(fd_.value(), reinterpret_cast<sockaddr*>(&storage), &size) == 0;
}

bool Stream::is_quiet() const {
  std::byte next{};
  return ::recv(fd_.value(), &next, sizeof next, MSG_PEEK | MSG_DONTWAIT) < 0 &&
         (errno == EAGAIN || errno == EWOULDBLOCK);
}

bool Stream::abandon() {
  fd_.reset();
  return false;
}

IoResult Stream::read(std::span<std::byte> into) {
  if (into.empty()) {
    return {};  // recv would answer 0, as at the end
  }
  const ssize_t count = ::recv(fd_.value(), into.data(), into.size(), 0);
  if (count < 0) {
    return failure();
  }
  if (count == 0) {
    return {IoStatus::kEnded, 0, 0};
  }
  return {IoStatus::kProgress, static_cast<std::size_t>(count), 0};
}

IoResult Stream::write(ByteView bytes, More more) {
  if (bytes.empty()) {
    return {};
  }
  const int flags = MSG_NOSIGNAL | (more == More::kFollows ? MSG_MORE : 0);
  const ssize_t count = ::send(fd_.value(), bytes.data(), bytes.size(), flags);
  if (count < 0) {
    return failure();
  }
  return {IoStatus::kProgress, static_cast<std::size_t>(count), 0};
}

void Stream::push() {
  set_no_delay(fd_.value());  // setting it again pushes, tcp(7)
}

void Stream::shutdown_write() {
  (void)::shutdown(fd_.value(), SHUT_WR);
}

void Stream::close() {
  poll_.close_with(fd_);
}

void Stream::reset() {
  if (fd_) {
    const linger abort{1, 0};
    (void)::setsockopt(fd_.value(), SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
  }
  close();
}

SocketAddress Stream::local_address() const {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  return ::getsockname(fd_.value(), address, &size) == 0 ? SocketAddress::from(*address)
                                                         : SocketAddress();
}

}  // namespace usher::uv
