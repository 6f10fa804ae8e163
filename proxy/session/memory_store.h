#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "proxy/base/bytes.h"
#include "proxy/base/clock.h"

namespace usher::session {

// The memory tier: sealed sessions by id (32 bytes), bounded, shared by all workers of the process.
// Up to 64 shards, each under a lock that is held for a copy; the shard follows from the id's
// random bytes. Exact expiry; a full store evicts by CLOCK from the new id's shard: what expired,
// else what was not used lately. The bound is the whole store's; a shard's share of it is at least
// 64, so that a store of up to 127 entries is one shard. At most 400 bytes of memory per session
// without client certificate, index included. Thread: any. Owner: the server; outlives the workers.
class MemoryStore {
 public:
  explicit MemoryStore(std::size_t entries_max);  // 0: stores nothing
  ~MemoryStore();
  MemoryStore(const MemoryStore&) = delete;

  enum class Stored : std::uint8_t {
    kStored,
    kReplaced,  // the same id was there
    kEvicted,   // stored, and another that had not expired is gone
    kRefused,   // empty, too big, expired, no id; or the store is of no entries
  };
  // Values above this are refused: a session with a long client certificate chain has 3 to 6 KiB.
  static constexpr std::size_t kValueMax = 16 * 1024;

  Stored put(ByteView id, ByteView sealed, BootClock::time_point expires,
             BootClock::time_point now);
  // Copies it out (and takes it out with `once`); false: not there, or expired.
  bool get(ByteView id, bool once, BootClock::time_point now, std::vector<std::byte>& sealed);
  void remove(ByteView id);
  // A reload: evicts what is too many, by CLOCK. In slices: no lock is held for long;
  // meanwhile a look-up may miss what is there.
  void set_entries_max(std::size_t entries_max);
  std::size_t clear();  // returns how many there were

  struct Stats {
    std::size_t entries = 0;
    std::size_t entries_max = 0;
    std::size_t bytes = 0;  // of values and index, not what malloc adds to each value
    std::uint64_t evictions = 0;
  };
  Stats stats() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace usher::session
