#include "client/crowd.h"

#include <sys/epoll.h>

#include <array>
#include <cerrno>

#include "socket.h"

namespace usher::bench {
namespace {

// Far above any pause of a healthy proxy on a loaded machine.
constexpr int kStallMilliseconds = 20'000;

}  // namespace

Crowd::Crowd(const TlsClient& tls, uint16_t port, size_t slots)
    : tls_(tls), port_(port), epoll_(new_epoll()), slots_(slots) {}

void Crowd::connect(Slot& slot, SSL_SESSION* offered) {
  slot.connection.emplace(tls_, port_, offered);
  watch_edges(epoll_, slot.connection->socket(), &slot);
}

void Crowd::run(std::span<Slot> slots, const Next& next) {
  size_t busy = 0;
  for (Slot& slot : slots) {
    slot.busy = pump(slot, next);
    busy += slot.busy ? 1 : 0;
  }
  std::array<epoll_event, 256> events;
  while (busy > 0) {
    const int count =
        ::epoll_wait(epoll_.value(), events.data(), events.size(), kStallMilliseconds);
    if (count < 0 && errno != EINTR) {
      die_errno("epoll_wait");
    }
    if (count == 0) {
      die(fmt::format("{} connections made no progress in {} ms", busy, kStallMilliseconds));
    }
    for (int i = 0; i < count; ++i) {
      Slot& slot = *static_cast<Slot*>(events[i].data.ptr);
      if (slot.busy && !pump(slot, next)) {
        slot.busy = false;
        --busy;
      }
    }
  }
}

bool Crowd::pump(Slot& slot, const Next& next) {
  while (true) {
    if (slot.connection) {
      slot.connection->advance();
      if (!is_at_rest(slot.connection->phase())) {
        return true;
      }
    }
    if (!next(slot)) {
      return false;
    }
  }
}

}  // namespace usher::bench
