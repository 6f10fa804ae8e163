#include "proxy/uv/listener.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "proxy/base/unix_errors.h"
#include "proxy/uv/loop.h"

namespace usher::uv {
namespace {

// Fairness: after this many the connections that are already there get their turn.
constexpr int kAcceptsPerTurn = 32;
constexpr std::chrono::milliseconds kRetryDelay(100);

// Errors of the one connection that accept4 was about to return (accept(2), "Error handling").
// Everything else, most of all EMFILE, ENFILE, ENOBUFS and ENOMEM, would come back at once: the
// queue stays readable, so only a pause keeps the loop from spinning.
bool only_this_one_is_lost(int error) {
  switch (error) {
    case ECONNABORTED:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case EINTR:
    case ENETDOWN:
    case ENETUNREACH:
    case ENONET:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case EPERM:  // a firewall rule
    case EPROTO:
      return true;
    default:
      return false;
  }
}

Unexpected<Error> listen_failure(const SocketAddress& address, int error) {
  std::string message = "cannot listen on " + address.to_string() + ": " + errno_text(error);
  if (error == EADDRINUSE) {
    message += "; another process has the port: stop it or choose another port";
  } else if (error == EACCES) {
    message += "; ports below 1024 need root or CAP_NET_BIND_SERVICE";
  } else if (error == EADDRNOTAVAIL) {
    message += "; no interface of this machine has the address";
  }
  return fail(std::move(message));
}

bool set_option(int fd, int level, int name) {
  const int on = 1;
  return ::setsockopt(fd, level, name, &on, sizeof on) == 0;
}

}  // namespace

Result<UniqueFd> listen_tcp(const SocketAddress& address, int backlog, Port port) {
  UniqueFd fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd || !set_option(fd.value(), SOL_SOCKET, SO_REUSEADDR) ||
      (port == Port::kShared && !set_option(fd.value(), SOL_SOCKET, SO_REUSEPORT)) ||
      !set_option(fd.value(), IPPROTO_TCP, TCP_NODELAY) ||  // accepted sockets inherit it
      (address.family() == AF_INET6 && !set_option(fd.value(), IPPROTO_IPV6, IPV6_V6ONLY)) ||
      ::bind(fd.value(), address.raw(), address.raw_size()) != 0 ||
      ::listen(fd.value(), backlog) != 0) {
    return listen_failure(address, errno);
  }
  return fd;
}

SocketAddress bound_address(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  return ::getsockname(fd, address, &size) == 0 ? SocketAddress::from(*address) : SocketAddress();
}

Listener::Listener(Loop& loop, UniqueFd socket, OnAccept on_accept, OnStarved on_starved)
    : socket_(std::move(socket)),
      on_accept_(std::move(on_accept)),
      on_starved_(std::move(on_starved)) {
  retry_.open<&Listener::on_retry>(loop, *this);
  CHECK(poll_.open<&Listener::on_ready>(loop, socket_.value(), *this));
  poll_.watch(true, false);
}

Listener::~Listener() {
  close();
}

void Listener::pause() {
  paused_ = true;
  watch();
}

void Listener::resume() {
  paused_ = false;
  set_starved(false);
  watch();
}

void Listener::watch() {
  if (socket_) {
    poll_.watch(!paused_ && !starved_, false);
  }
}

void Listener::on_ready(Ready ready) {
  if (ready.failed) {
    set_starved(true);
    return;
  }
  for (int i = 0; i < kAcceptsPerTurn && !paused_ && !starved_ && socket_; ++i) {
    if (may_accept_ && !may_accept_()) {
      set_starved(true);
      return;
    }
    if (!accept_one()) {
      return;
    }
  }
}

void Listener::on_retry() {
  set_starved(false);
  watch();
}

bool Listener::accept_one() {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* peer = reinterpret_cast<sockaddr*>(&storage);
  UniqueFd accepted(::accept4(socket_.value(), peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (accepted) {
    on_accept_(std::move(accepted), SocketAddress::from(*peer));
    return true;
  }
  if (only_this_one_is_lost(errno)) {
    return true;
  }
  if (errno != EAGAIN && errno != EWOULDBLOCK) {
    set_starved(true);
  }
  return false;
}

void Listener::set_starved(bool starved) {
  if (starved == starved_) {
    return;
  }
  starved_ = starved;
  if (starved) {
    retry_.start(kRetryDelay);
  } else {
    retry_.stop();
  }
  watch();
  on_starved_(starved);
}

void Listener::drain_and_close() {
  // As many as the queue can hold now; more keep arriving for as long as the socket listens.
  constexpr int kMost = 65536;
  set_starved(false);
  for (int i = 0; i < kMost && socket_ && accept_one(); ++i) {
  }
  close();
}

void Listener::close() {
  if (!socket_) {
    return;
  }
  set_starved(false);
  retry_.close();
  poll_.close_with(socket_);
}

}  // namespace usher::uv
