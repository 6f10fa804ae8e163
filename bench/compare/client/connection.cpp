#include "client/connection.h"

#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "socket.h"

namespace usher::bench {
namespace {

// One thread, one read at a time: all connections share the buffer.
std::array<char, 256 * 1024> read_buffer;

const char* text_of(Phase phase) {
  switch (phase) {
    case Phase::kConnecting:
      return "connecting";
    case Phase::kHandshaking:
      return "the handshake";
    case Phase::kAwaitingResponse:
      return "reading the response";
    default:
      return "an idle connection";
  }
}

}  // namespace

bool is_at_rest(Phase phase) {
  return phase == Phase::kHandshaken || phase == Phase::kAnswered || phase == Phase::kEnded;
}

Connection::Connection(const TlsClient& tls, uint16_t port, SSL_SESSION* offered)
    : tls_(tls),
      socket_(connect_to_loopback(port)),
      ssl_(tls.open(socket_.value(), offered, &newest_)) {}

void Connection::advance() {
  while (!is_at_rest(phase_) && step()) {
  }
}

void Connection::request(std::string_view target) {
  const std::string text = fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", target);
  const int written = SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size()));
  if (written != static_cast<int>(text.size())) {
    die(fmt::format("sending a request: {}", openssl_error()));
  }
  response_.start();
  phase_ = Phase::kAwaitingResponse;
}

void Connection::end() {
  if (SSL_shutdown(ssl_.get()) < 0) {
    die(fmt::format("sending close_notify: {}", openssl_error()));
  }
  ::shutdown(socket_.value(), SHUT_WR);
  phase_ = Phase::kAwaitingEnd;
}

bool Connection::step() {
  switch (phase_) {
    case Phase::kConnecting:
      return finish_connect();
    case Phase::kHandshaking:
      return handshake();
    case Phase::kAwaitingResponse:
      return read_response();
    case Phase::kAwaitingEnd:
      return read_end();
    default:
      return false;
  }
}

bool Connection::finish_connect() {
  pollfd writable{socket_.value(), POLLOUT, 0};
  if (::poll(&writable, 1, 0) == 0) {
    return false;
  }
  if (const int error = connect_error(socket_); error != 0) {
    die(fmt::format("connecting to the proxy: {}", std::strerror(error)));
  }
  phase_ = Phase::kHandshaking;
  return true;
}

bool Connection::handshake() {
  const int result = SSL_do_handshake(ssl_.get());
  if (result != 1) {
    return blocked_or_die(result, text_of(phase_));
  }
  phase_ = Phase::kHandshaken;
  return true;
}

bool Connection::read_response() {
  const int count = SSL_read(ssl_.get(), read_buffer.data(), read_buffer.size());
  if (count <= 0) {
    return blocked_or_die(count, text_of(phase_));
  }
  if (response_.take({read_buffer.data(), static_cast<size_t>(count)})) {
    phase_ = Phase::kAnswered;
  }
  return true;
}

bool Connection::read_end() {
  const ssize_t count = ::recv(socket_.value(), read_buffer.data(), read_buffer.size(), 0);
  if (count > 0) {
    return true;  // The proxy's close_notify; the session is closed on our side.
  }
  if (count < 0 && errno == EAGAIN) {
    return false;
  }
  ended_by_reset_ = count < 0;
  phase_ = Phase::kEnded;
  return true;
}

bool Connection::blocked_or_die(int result, const char* doing) const {
  const int error = SSL_get_error(ssl_.get(), result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
    return false;
  }
  if (error == SSL_ERROR_ZERO_RETURN) {
    die(fmt::format("{}: the proxy closed the connection", doing));
  }
  die(fmt::format("{}: {}", doing,
                  ERR_peek_last_error() != 0 ? openssl_error() : std::strerror(errno)));
}

}  // namespace usher::bench
