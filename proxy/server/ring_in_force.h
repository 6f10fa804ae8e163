#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "proxy/base/snapshot.h"
#include "proxy/keyring/key_ring.h"
#include "proxy/metrics/cell.h"
#include "proxy/uv/mailbox.h"
#include "proxy/uv/timer.h"

namespace usher::server {

// Makes one worker read the ring in force at once; then, on that worker's thread, says which it
// reads.
using TakeRing = std::function<void(std::function<void(keyring::KeyRing::Version)> on_taken)>;

// The ring that all workers read, from whatever source: published, taken by every worker, and wiped
// key by key when open_max_age is over, also while no source is alive. When the source changes, the
// keys of the old one go on opening. Thread: main's loop; the snapshot is read by any. Owner: the
// key source; outlives the workers.
class RingInForce {
 public:
  using Publication = std::uint64_t;  // counts up; 0: none

  // `mailbox` is main's. `on_applied`: every worker reads that publication or a later one.
  RingInForce(uv::Loop& loop, uv::Mailbox& mailbox, std::function<void(Publication)> on_applied);

  // Once, when the workers run: what is published already reaches them now.
  void set_workers(std::vector<TakeRing> workers);

  // A new ring of the source.
  Publication publish(keyring::KeyRing ring);
  // The source changes: its keys only open from now on, beside those of the next one, and leave by
  // the old limits and the new ones; without old limits after `sessions_max`, when no ticket of
  // theirs lives.
  void carry_over(std::chrono::milliseconds sessions_max);
  // Of an earlier source's keys: forgets it and ends the lineages until `now`. False: no such key.
  bool revoke_carried(const keyring::KeyName& name, UnixSeconds now);
  void clear();  // no keys any more, also no carried ones
  // From the next ring on: `true`: tickets are off, its keys are for the ids of sessions alone.
  void set_sessions_only(bool sessions_only) { sessions_only_ = sessions_only; }
  bool sessions_only() const { return sessions_only_; }
  void close();

  const Snapshot<keyring::KeyRing>& rings() const { return rings_; }  // of tickets
  // What session caches are keyed with: the same rings, also while tickets are off.
  const Snapshot<keyring::KeyRing>& session_rings() const { return session_rings_; }
  // As the source made it, without what has expired. Empty until it publishes.
  const keyring::KeyRing& source_ring() const { return source_; }
  std::vector<keyring::KeyRing::Version> read_by_workers() const;
  const metrics::LatencyHistogram& apply_seconds() const { return apply_seconds_; }

 private:
  struct Carried {
    keyring::TicketKeyPtr key;
    BootClock::time_point until;
  };
  struct WorkerView {
    TakeRing take;
    Publication taken = 0;
    keyring::KeyRing::Version reads;
  };
  struct Begun {
    Publication publication = 0;
    std::chrono::steady_clock::time_point at;
  };

  Publication put_in_force();
  void tell_workers();
  void on_taken(std::size_t worker, Publication publication, keyring::KeyRing::Version reads);
  bool drop_expired(BootClock::time_point now);
  void on_timer();
  void arm();
  void tell_if_stale(BootClock::time_point now);

  uv::Mailbox& mailbox_;
  std::function<void(Publication)> on_applied_;
  Snapshot<keyring::KeyRing> rings_;
  Snapshot<keyring::KeyRing> session_rings_;
  keyring::KeyRing source_;
  std::vector<Carried> carried_;
  UnixSeconds lineage_floor_{};  // of earlier sources; never falls
  std::vector<WorkerView> workers_;
  Publication published_ = 0;
  Publication applied_ = 0;
  std::deque<Begun> begun_;  // not yet applied
  metrics::LatencyHistogram apply_seconds_;
  bool stale_told_ = false;
  bool sessions_only_ = false;
  uv::Timer expiry_;
};

}  // namespace usher::server
