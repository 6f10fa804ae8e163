#include "socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace usher::bench {
namespace {

// Above the largest number of connections that the harness opens at once.
constexpr int kBacklog = 4096;

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

UniqueFd new_tcp_socket() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    die_errno("socket");
  }
  return UniqueFd(fd);
}

}  // namespace

void die(std::string_view what) {
  fmt::print(stderr, "bench: {}\n", what);
  std::exit(1);
}

void die_errno(std::string_view what) {
  die(fmt::format("{}: {}", what, std::strerror(errno)));
}

UniqueFd listen_on_loopback(uint16_t port) {
  UniqueFd listener = new_tcp_socket();
  const int on = 1;
  ::setsockopt(listener.value(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in address = loopback(port);
  if (::bind(listener.value(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener.value(), kBacklog) != 0) {
    die_errno(fmt::format("listening on 127.0.0.1:{}", port));
  }
  return listener;
}

uint16_t port_of(const UniqueFd& socket) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (::getsockname(socket.value(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    die_errno("getsockname");
  }
  return ntohs(address.sin_port);
}

UniqueFd connect_to_loopback(uint16_t port) {
  UniqueFd socket = new_tcp_socket();
  const int on = 1;
  ::setsockopt(socket.value(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const sockaddr_in address = loopback(port);
  if (::connect(socket.value(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
      errno != EINPROGRESS) {
    die_errno(fmt::format("connecting to 127.0.0.1:{}", port));
  }
  return socket;
}

int connect_error(const UniqueFd& socket) {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket.value(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

UniqueFd new_epoll() {
  const int fd = ::epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) {
    die_errno("epoll_create1");
  }
  return UniqueFd(fd);
}

void watch_edges(const UniqueFd& epoll, const UniqueFd& socket, void* tag) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLET;
  event.data.ptr = tag;
  if (::epoll_ctl(epoll.value(), EPOLL_CTL_ADD, socket.value(), &event) != 0) {
    die_errno("epoll_ctl");
  }
}

}  // namespace usher::bench
