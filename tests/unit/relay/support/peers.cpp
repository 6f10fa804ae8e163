#include "tests/unit/relay/support/peers.h"

#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>

#include "proxy/base/bytes.h"
#include "proxy/base/check.h"
#include "proxy/uv/listener.h"

namespace usher::relay::test {
namespace {

UniqueFd new_socket() {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  CHECK(fd);
  return fd;
}

UniqueFd bound_socket() {
  UniqueFd fd = new_socket();
  const auto any = *SocketAddress::parse("127.0.0.1:0");
  CHECK(::bind(fd.value(), any.raw(), any.raw_size()) == 0);
  return fd;
}

End end_of_errno(int error) {
  return error == ECONNRESET || error == EPIPE ? End::kReset : End::kTimeout;
}

}  // namespace

Socket::Socket(UniqueFd fd) : fd_(std::move(fd)) {
  const timeval limit{10, 0};
  const int on = 1;
  CHECK(::setsockopt(fd_.value(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
  CHECK(::setsockopt(fd_.value(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) == 0);
  CHECK(::setsockopt(fd_.value(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
}

Socket Socket::connect(const SocketAddress& to, int receive_buffer) {
  UniqueFd fd = new_socket();
  if (receive_buffer > 0) {
    CHECK(::setsockopt(fd.value(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer) ==
          0);
  }
  CHECK(::connect(fd.value(), to.raw(), to.raw_size()) == 0);
  return Socket(std::move(fd));
}

bool Socket::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(fd_.value(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0) {
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

std::size_t Socket::write_until_blocked(std::size_t most, int idle_ms) {
  const std::string block(64 * 1024, 'x');
  std::size_t sent = 0;
  pollfd wanted{fd_.value(), POLLOUT, 0};
  while (sent < most && ::poll(&wanted, 1, idle_ms) == 1) {
    const ssize_t count = ::send(fd_.value(), block.data(), std::min(block.size(), most - sent),
                                 MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0) {
      break;
    }
    sent += static_cast<std::size_t>(count);
  }
  return sent;
}

std::string Socket::read(std::size_t count) {
  std::string bytes(count, '\0');
  std::size_t got = 0;
  while (got < count) {
    const ssize_t more = ::recv(fd_.value(), bytes.data() + got, count - got, 0);
    if (more <= 0) {
      break;
    }
    got += static_cast<std::size_t>(more);
  }
  bytes.resize(got);
  return bytes;
}

Stream Socket::read_to_end() {
  Stream stream;
  std::string block(64 * 1024, '\0');
  for (;;) {
    const ssize_t count = ::recv(fd_.value(), block.data(), block.size(), 0);
    if (count <= 0) {
      stream.end = count == 0 ? End::kFin : end_of_errno(errno);
      return stream;
    }
    stream.bytes.append(block, 0, static_cast<std::size_t>(count));
  }
}

void Socket::fin() {
  CHECK(::shutdown(fd_.value(), SHUT_WR) == 0);
}

void Socket::reset() {
  const linger abort{1, 0};
  CHECK(::setsockopt(fd_.value(), SOL_SOCKET, SO_LINGER, &abort, sizeof abort) == 0);
  fd_.reset();
}

SocketAddress Socket::local() const {
  return uv::bound_address(fd_.value());
}

TestBackend::TestBackend() : fd_(bound_socket()), address_(uv::bound_address(fd_.value())) {
  const timeval limit{10, 0};
  CHECK(::setsockopt(fd_.value(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
  CHECK(::listen(fd_.value(), 16) == 0);
}

Socket TestBackend::accept() {
  UniqueFd accepted(::accept4(fd_.value(), nullptr, nullptr, SOCK_CLOEXEC));
  CHECK(accepted);
  return Socket(std::move(accepted));
}

BlackHole::BlackHole() : fd_(bound_socket()), address_(uv::bound_address(fd_.value())) {
  CHECK(::listen(fd_.value(), 0) == 0);
  for (int i = 0; i < 3; ++i) {  // a queue of length 0 takes one; the kernel drops the next SYNs
    fillers_.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    (void)::connect(fillers_.back().value(), address_.raw(), address_.raw_size());
  }
}

SocketAddress refusing_address() {
  return uv::bound_address(bound_socket().value());
}

TestClient::TestClient(Socket socket, int version, SSL_SESSION* session)
    : socket_(std::move(socket)),
      record_sizes_(std::make_unique<std::vector<std::size_t>>()),
      context_(SSL_CTX_new(TLS_client_method())),
      ssl_(SSL_new(context_.get())) {
  SSL_set_security_level(ssl_.get(), 0);
  SSL_set_min_proto_version(ssl_.get(), version);
  SSL_set_max_proto_version(ssl_.get(), version);
  if (session != nullptr) {
    CHECK(SSL_set_session(ssl_.get(), session) == 1);
  }
  SSL_set_msg_callback_arg(ssl_.get(), record_sizes_.get());
  SSL_set_msg_callback(ssl_.get(), [](int write, int, int type, const void* data, std::size_t size,
                                      SSL*, void* sizes) {
    const auto* header = static_cast<const unsigned char*>(data);
    if (write == 0 && type == SSL3_RT_HEADER && size == SSL3_RT_HEADER_LENGTH &&
        header[0] == SSL3_RT_APPLICATION_DATA) {
      static_cast<std::vector<std::size_t>*>(sizes)->push_back(header[3] * 256U + header[4]);
    }
  });
  SSL_set_fd(ssl_.get(), socket_.fd());
  SSL_set_connect_state(ssl_.get());
}

bool TestClient::handshake() {
  ERR_clear_error();
  return SSL_do_handshake(ssl_.get()) == 1;
}

bool TestClient::write(std::string_view text) {
  ERR_clear_error();
  std::size_t written = 0;
  return text.empty() || SSL_write_ex(ssl_.get(), text.data(), text.size(), &written) == 1;
}

std::string TestClient::read(std::size_t count) {
  ERR_clear_error();
  std::string text(count, '\0');
  std::size_t got = 0;
  while (got < count) {
    std::size_t more = 0;
    if (SSL_read_ex(ssl_.get(), text.data() + got, count - got, &more) != 1) {
      break;
    }
    got += more;
  }
  text.resize(got);
  return text;
}

Stream TestClient::read_to_end() {
  ERR_clear_error();
  Stream stream;
  std::string block(16 * 1024, '\0');
  for (;;) {
    std::size_t count = 0;
    errno = 0;
    const int result = SSL_read_ex(ssl_.get(), block.data(), block.size(), &count);
    if (result != 1) {
      stream.end = end_of(result);
      return stream;
    }
    stream.bytes.append(block, 0, count);
  }
}

End TestClient::end_of(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_ZERO_RETURN:
      return End::kCloseNotify;
    case SSL_ERROR_SYSCALL:
      return end_of_errno(errno);
    case SSL_ERROR_SSL:
      return ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING ? End::kFin
                                                                                    : End::kAlert;
    default:
      return End::kTimeout;
  }
}

void TestClient::close_notify() {
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
}

}  // namespace usher::relay::test
