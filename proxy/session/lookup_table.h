#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "proxy/base/check.h"
#include "proxy/base/clock.h"
#include "proxy/redis/breaker.h"
#include "proxy/redis/node.h"
#include "proxy/session/redis_tier.h"
#include "proxy/session/session_keys.h"

namespace usher::session {

// A look-up under way in the Redis tier.
struct Lookup {
  RedisTier::OnValue on_value;  // null: cancelled, the answer is still to come
  std::array<std::byte, kNameSize> name{};
  bool once = false;
  bool redirected = false;
  redis::Node* node = nullptr;      // that was asked; outlives the answer
  redis::Breaker::Token token = 0;  // of its breaker
  uv::LoopTime deadline{};
  BootClock::time_point started{};
};

// Bounded, without an allocation per look-up once it has grown. Tickets are not used twice.
// Thread: one. Owner: the tier.
class LookupTable {
 public:
  explicit LookupTable(std::size_t entries_max) : entries_max_(entries_max) {}

  bool full() const { return free_.empty() && entries_.size() == entries_max_; }

  // Not when full.
  RedisTier::Ticket add(Lookup lookup) {
    if (free_.empty()) {
      CHECK(!full());
      free_.push_back(static_cast<std::uint32_t>(entries_.size()));
      entries_.emplace_back();
    }
    const std::uint32_t index = free_.back();
    free_.pop_back();
    entries_[index].lookup = std::move(lookup);
    return ticket(index);
  }

  // Null: it has ended. Lives until the next add().
  Lookup* find(RedisTier::Ticket ticket_of_it) {
    const std::size_t index = ticket_of_it & 0xFFFFFFFF;
    const bool known = index < entries_.size() && ticket(index) == ticket_of_it;
    return known ? &entries_[index].lookup : nullptr;
  }

  // One that find() finds.
  Lookup take(RedisTier::Ticket ticket_of_it) {
    const auto index = static_cast<std::uint32_t>(ticket_of_it & 0xFFFFFFFF);
    entries_[index].generation += entries_[index].generation == UINT32_MAX ? 2 : 1;  // never 0
    free_.push_back(index);
    return std::exchange(entries_[index].lookup, {});
  }

  void clear() {
    entries_.clear();
    free_.clear();
  }

 private:
  struct Entry {
    Lookup lookup;
    std::uint32_t generation = 1;
  };

  RedisTier::Ticket ticket(std::size_t index) const {
    return static_cast<RedisTier::Ticket>(entries_[index].generation) << 32 | index;
  }

  const std::size_t entries_max_;
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> free_;
};

}  // namespace usher::session
