#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "client/connection.h"

namespace usher::bench {

/// One place for a connection, and the session that its next connection may offer.
struct Slot {
  std::optional<Connection> connection;
  SslSessionPtr session;
  bool busy = false;
};

/// A fixed number of slots driven by one epoll loop. What a slot does next is the caller's: `Next`
/// is asked whenever a slot is at rest (or empty), starts something and returns true, or returns
/// false when the slot has nothing left to do.
class Crowd {
 public:
  using Next = std::function<bool(Slot&)>;

  Crowd(const TlsClient& tls, uint16_t port, size_t slots);

  std::span<Slot> slots() { return slots_; }
  void connect(Slot& slot, SSL_SESSION* offered);

  /// Returns when every one of `slots` has nothing left to do.
  void run(std::span<Slot> slots, const Next& next);

 private:
  /// False when the slot has nothing left to do.
  bool pump(Slot& slot, const Next& next);

  const TlsClient& tls_;
  const uint16_t port_;
  UniqueFd epoll_;
  std::vector<Slot> slots_;  // Never resized: epoll keeps their addresses.
};

}  // namespace usher::bench
