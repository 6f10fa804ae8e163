#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "proxy/base/bytes.h"
#include "proxy/base/clock.h"

namespace usher::session {

// One shard of the memory tier: values by id in a dense list, which is also CLOCK's circle, and an
// index of 8-byte cells into it (open addressing, linear probing, at most three quarters full).
// Nothing of it moves in memory when it grows but the index. Thread: under the shard's lock.
// Owner: MemoryStore.
class MemoryShard {
 public:
  using Id = std::array<std::byte, 32>;
  struct Entry {
    Id id{};
    BootClock::time_point expires;
    std::unique_ptr<std::byte[]> value;
    std::uint32_t size = 0;  // of the value
    bool used = false;       // since CLOCK's hand last passed
  };
  using Position = std::uint32_t;  // holds until the next change
  static constexpr Position kNone = UINT32_MAX;

  // Ids are random and ours, so nobody chooses them; mixed all the same, for ids that are not.
  static std::uint64_t hash_of(const Id& id);

  std::size_t size() const { return entries_.size(); }
  Entry& at(Position position) { return entries_[position]; }

  Position find(const Id& id) const;
  void add(Entry entry);  // of an id that is not there
  // What was there goes to the caller, so that its memory is freed after the lock.
  Entry replace(Position position, Entry entry);  // the new one of another id or of the same
  Entry remove(Position position);
  // Where the next entry has its place in a full shard, which is not empty: an expired one if the
  // hand is near it, else one that was not used lately. The hand passes it.
  Position victim(BootClock::time_point now);
  void fit_index();  // after many have gone

  std::size_t bytes() const;  // of entries, their values and the index; not what malloc adds

 private:
  struct Cell {
    std::uint32_t hash = 0;
    std::uint32_t place = 0;  // position + 1; 0: free
  };

  std::size_t cell_of(const Entry& entry, Position position) const;
  void link(const Id& id, Position position);
  void unlink(std::size_t cell);
  void reindex(std::size_t cells);

  std::deque<Entry> entries_;
  std::vector<Cell> cells_;  // a power of two; none before the first entry
  Position hand_ = 0;
  std::size_t value_bytes_ = 0;
};

}  // namespace usher::session
