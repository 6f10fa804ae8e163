#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "proxy/base/bytes.h"
#include "proxy/base/clock.h"

namespace usher::session {

// The memory tier: sealed sessions by id, bounded, shared by all workers of the process. 64 shards,
// each under a lock that is held for a copy; the shard follows from the id's random bytes. Exact
// expiry; a full shard evicts what was used least recently (CLOCK or LRU: see the .cpp). At most
// 400 bytes of memory per session without client certificate, index included. Thread: any. Owner:
// the server; outlives the workers.
class MemoryStore {
 public:
  explicit MemoryStore(std::size_t entries_max);  // 0: stores nothing
  ~MemoryStore();
  MemoryStore(const MemoryStore&) = delete;

  enum class Stored : std::uint8_t { kStored, kReplaced, kEvicted, kRefused };  // kRefused: too big
  // Values above this are refused: a session with a long client certificate chain has 3 to 6 KiB.
  static constexpr std::size_t kValueMax = 16 * 1024;

  Stored put(ByteView id, ByteView sealed, BootClock::time_point expires,
             BootClock::time_point now);
  // Copies it out (and takes it out with `once`); false: not there, or expired.
  bool get(ByteView id, bool once, BootClock::time_point now, std::vector<std::byte>& sealed);
  void remove(ByteView id);
  void set_entries_max(std::size_t entries_max);  // a reload; evicts what is too many
  std::size_t clear();                            // returns how many there were

  struct Stats {
    std::size_t entries = 0;
    std::size_t entries_max = 0;
    std::size_t bytes = 0;  // of values and index
    std::uint64_t evictions = 0;
  };
  Stats stats() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace usher::session
