#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>

#include "proxy/base/check.h"
#include "proxy/base/unix_errors.h"
#include "proxy/push/identity.h"
#include "proxy/push/socket_channel.h"

namespace usher::push {
namespace {

// Connected, or why not as errno. A Unix socket never connects "later": it is done or refused, or
// the listener's queue is full (EAGAIN).
int connect_to(const std::string& path, UniqueFd& socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return ENAMETOOLONG;
  }
  path.copy(address.sun_path, path.size());
  socket.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket ||
      ::connect(socket.value(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return errno;
  }
  return 0;
}

}  // namespace

void SocketChannel::begin_accepted(UniqueFd socket) {
  if (stream_.adopt<&SocketChannel::on_ready>(loop_, std::move(socket), *this)) {
    start_handshake();
  } else {
    close(CloseCause::kLocal, "there is no socket");
  }
}

void SocketChannel::begin_connect(const Endpoint& endpoint) {
  endpoint_ = endpoint;
  if (!endpoint.tls) {
    tls_.reset();
    connect_unix(endpoint.path);
    return;
  }
  CHECK(tls_ != nullptr);
  timer_.start(limits_.silence_max);
  resolver_.resolve(endpoint.host, endpoint.port,
                    [this](auto addresses) { resolved(std::move(addresses)); });
}

void SocketChannel::begin_connect(const Endpoint& endpoint, std::vector<SocketAddress> addresses) {
  CHECK(endpoint.tls && tls_ != nullptr && !addresses.empty());
  endpoint_ = endpoint;
  resolved(std::move(addresses));
}

void SocketChannel::connect_unix(const std::string& path) {
  UniqueFd socket;
  const int error = connect_to(path, socket);
  if (error != 0) {
    close(CloseCause::kUnreachable,
          path + ": " + (error == EAGAIN ? "its queue of connections is full" : errno_text(error)));
    return;
  }
  begin_accepted(std::move(socket));
}

void SocketChannel::resolved(Result<std::vector<SocketAddress>> addresses) {
  if (phase_ != Phase::kConnecting) {
    return;
  }
  if (!addresses) {
    close(CloseCause::kUnreachable, addresses.error().message);
    return;
  }
  addresses_ = *std::move(addresses);
  connect_next();
}

void SocketChannel::connect_next() {
  const int error = stream_.connect<&SocketChannel::on_ready>(loop_, addresses_[attempt_], *this);
  if (error != 0) {
    attempt_failed(error);
    return;
  }
  // One that never answers leaves time for the others.
  timer_.start(limits_.silence_max / static_cast<int>(addresses_.size()));
  stream_.watch(false, true);
}

void SocketChannel::on_connecting() {
  const int error = stream_.connect_result();
  if (error != 0) {
    attempt_failed(error);
  } else {
    start_handshake();
  }
}

void SocketChannel::attempt_failed(int error) {
  stream_.close();
  const std::string why = addresses_[attempt_].to_string() + ": " + errno_text(error);
  if (++attempt_ < addresses_.size()) {
    connect_next();
  } else {
    close(CloseCause::kUnreachable, why);
  }
}

void SocketChannel::start_handshake() {
  phase_ = Phase::kHandshaking;
  if (tls_ == nullptr) {
    soon();
    return;
  }
  const bool client = endpoint_.has_value();
  if (!link_.secure(client ? tls_->client() : tls_->server(),
                    client ? Link::Role::kClient : Link::Role::kServer,
                    client ? endpoint_->host : std::string())) {
    close(CloseCause::kLocal, "OpenSSL makes no TLS connection");
    return;
  }
  timer_.start(limits_.silence_max);
  stream_.watch(!client, client);  // the client speaks first
}

void SocketChannel::handshake() {
  switch (link_.handshake().status) {
    case LinkStatus::kProgress:
      return open();
    case LinkStatus::kBlocked:
      return stream_.watch(!link_.wants_write(), link_.wants_write());
    default:
      if (link_.peer_left()) {
        return close(CloseCause::kTls, link_.failure());
      }
      return end(CloseCause::kTls, link_.failure());  // the peer shall read our alert
  }
}

void SocketChannel::open() {
  const auto peer = identity_of(stream_.fd(), link_.ssl());
  if (!peer) {
    close(CloseCause::kLocal, "the kernel does not tell who the peer is");
    return;
  }
  phase_ = Phase::kOpen;
  last_heard_ = last_ping_ = loop_.now();
  reader_.emplace();
  timer_.start(limits_.ping_after);
  watch();
  tell(&Events::on_open, *peer);
}

}  // namespace usher::push
