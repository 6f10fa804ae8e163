#include "backend/http_backend.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

#include "socket.h"

namespace usher::bench {
namespace {

constexpr uint64_t kSmallBytes = 100;
constexpr uint64_t kMediumBytes = 16 * 1024;
constexpr uint64_t kBigBytes = 100'000'000;
constexpr size_t kBlockBytes = 1024 * 1024;  // One send() of the big body.
constexpr size_t kRequestBytesMax = 8192;

uint64_t body_bytes_for(const std::string& request) {
  if (request.starts_with("GET /big ")) {
    return kBigBytes;
  }
  return request.starts_with("GET /16k ") ? kMediumBytes : kSmallBytes;
}

bool would_block() {
  return errno == EAGAIN || errno == EWOULDBLOCK;
}

}  // namespace

HttpBackend::HttpBackend()
    : listener_(listen_on_loopback(0)), epoll_(new_epoll()), body_(kBlockBytes, 'x') {
  watch_edges(epoll_, listener_, nullptr);
}

uint16_t HttpBackend::port() const {
  return port_of(listener_);
}

void HttpBackend::run() {
  std::array<epoll_event, 256> events;
  while (true) {
    const int count = ::epoll_wait(epoll_.value(), events.data(), events.size(), -1);
    if (count < 0 && errno != EINTR) {
      die_errno("epoll_wait");
    }
    for (int i = 0; i < count; ++i) {
      if (events[i].data.ptr == nullptr) {
        accept_all();
        continue;
      }
      // Made in accept_all, its address known to epoll only; ends here. A descriptor gets one event
      // a turn, so nothing later in `events` names it.
      std::unique_ptr<Exchange> exchange(static_cast<Exchange*>(events[i].data.ptr));
      if (serve(*exchange)) {
        (void)exchange.release();
      }
    }
  }
}

void HttpBackend::accept_all() {
  while (true) {
    UniqueFd socket(::accept4(listener_.value(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket) {
      if (would_block()) {
        return;
      }
      die_errno("accept");
    }
    const int on = 1;
    ::setsockopt(socket.value(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    auto exchange = std::make_unique<Exchange>();
    exchange->socket = std::move(socket);
    watch_edges(epoll_, exchange->socket, exchange.get());
    (void)exchange.release();
  }
}

bool HttpBackend::serve(Exchange& exchange) {
  const bool answering = exchange.body_left > 0 || exchange.head_sent < exchange.head.size();
  return (!answering || send_response(exchange)) && read_request(exchange);
}

bool HttpBackend::read_request(Exchange& exchange) {
  std::array<char, 4096> buffer;
  while (true) {
    const ssize_t count = ::recv(exchange.socket.value(), buffer.data(), buffer.size(), 0);
    if (count < 0 && would_block()) {
      return true;
    }
    if (count <= 0 || exchange.request.size() + count > kRequestBytesMax) {
      return false;
    }
    exchange.request.append(buffer.data(), count);
    if (!exchange.request.ends_with("\r\n\r\n")) {
      continue;
    }
    exchange.body_left = body_bytes_for(exchange.request);
    exchange.head =
        fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", exchange.body_left);
    exchange.head_sent = 0;
    exchange.request.clear();
    if (!send_response(exchange)) {
      return false;
    }
  }
}

bool HttpBackend::send_response(Exchange& exchange) {
  while (exchange.head_sent < exchange.head.size() || exchange.body_left > 0) {
    iovec parts[2] = {
        {exchange.head.data() + exchange.head_sent, exchange.head.size() - exchange.head_sent},
        {const_cast<char*>(body_.data()), std::min<uint64_t>(body_.size(), exchange.body_left)}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    const ssize_t count = ::sendmsg(exchange.socket.value(), &message, MSG_NOSIGNAL);
    if (count < 0) {
      return would_block();
    }
    const size_t of_head = std::min<size_t>(count, parts[0].iov_len);
    exchange.head_sent += of_head;
    exchange.body_left -= count - of_head;
  }
  return true;
}

}  // namespace usher::bench
