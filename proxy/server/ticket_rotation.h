#pragma once

#include "proxy/base/snapshot.h"
#include "proxy/config/config.h"
#include "proxy/keyring/key_ring.h"
#include "proxy/keyring/rotation.h"
#include "proxy/uv/timer.h"

namespace usher::server {

// tickets.source = "embedded": makes and rotates the one ring that all workers read.
// Thread: main's loop; the snapshot is read by any. Owner: the server; outlives the workers.
class TicketRotation {
 public:
  explicit TicketRotation(uv::Loop& loop);

  // At start and after each reload: keeps the keys it has, with the new ages and interval. `off`
  // publishes an empty ring; its keys are gone for good.
  Result<void> configure(const config::Tickets& tickets);
  void close();

  const Snapshot<keyring::KeyRing>& rings() const { return rings_; }

 private:
  void on_timer();
  void arm();
  Result<void> rotate_if_due();
  void publish(keyring::KeyRing ring);

  Snapshot<keyring::KeyRing> rings_;
  keyring::RandomSource random_;
  std::chrono::milliseconds rotate_every_{0};
  bool embedded_ = false;
  uv::Timer timer_;
};

}  // namespace usher::server
