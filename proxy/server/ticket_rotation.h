#pragma once

#include <chrono>

#include "proxy/config/config.h"
#include "proxy/keyring/rotation.h"
#include "proxy/server/key_control.h"
#include "proxy/server/ring_in_force.h"
#include "proxy/uv/timer.h"

namespace usher::server {

// tickets.source = "embedded": makes and rotates the one ring that all workers read (with "off" the
// one for ids of sessions). Expired keys leave through RingInForce. Thread: main's loop. Owner: the
// key source.
class TicketRotation {
 public:
  TicketRotation(uv::Loop& loop, RingInForce& ring);

  // At start and after each reload: keeps the keys of the ring in force, with the new ages and
  // interval; makes the first ring when there is none. An error: no randomness.
  Result<void> configure(const config::Tickets& tickets);
  void stop();  // another source has taken over
  // A key that opens only and seals from the next rotation on, if there is none.
  Result<void> make_next();

  // By hand, as of KeyControl; each takes effect at once.
  Result<void, KeyRefusal> rotate_now();  // refused when the ring is full of keys that still open
  Result<void, KeyRefusal> revoke(const keyring::KeyName& name);
  Result<std::size_t, KeyRefusal> import_keys(keyring::KeyFileFormat format, SecretBuffer bytes,
                                              bool replace);  // how many
  void close();

 private:
  void on_timer();
  void arm();
  Result<void> rotate();

  RingInForce& ring_;
  keyring::RandomSource random_;
  std::chrono::milliseconds rotate_every_{0};
  uv::Timer timer_;
};

}  // namespace usher::server
