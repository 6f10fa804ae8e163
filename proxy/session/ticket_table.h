#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "proxy/base/check.h"

namespace usher::session {

// What is under way, by the ticket that its answer will bring. Bounded, without an allocation per
// entry once it has grown. Tickets are not used twice and never 0. Thread: one. Owner: the tier.
template <class T>
class TicketTable {
 public:
  using Ticket = std::uint64_t;

  explicit TicketTable(std::size_t entries_max) : entries_max_(entries_max) {}

  bool full() const { return free_.empty() && entries_.size() == entries_max_; }

  // Not when full.
  Ticket add(T value) {
    if (free_.empty()) {
      CHECK(!full());
      free_.push_back(static_cast<std::uint32_t>(entries_.size()));
      entries_.emplace_back();
    }
    const std::uint32_t index = free_.back();
    free_.pop_back();
    entries_[index].value = std::move(value);
    return ticket(index);
  }

  // Null: it has ended. Lives until the next add().
  T* find(Ticket ticket_of_it) {
    const std::size_t index = ticket_of_it & 0xFFFFFFFF;
    const bool known = index < entries_.size() && ticket(index) == ticket_of_it;
    return known ? &entries_[index].value : nullptr;
  }

  // One that find() finds.
  T take(Ticket ticket_of_it) {
    const auto index = static_cast<std::uint32_t>(ticket_of_it & 0xFFFFFFFF);
    entries_[index].generation += entries_[index].generation == UINT32_MAX ? 2 : 1;  // never 0
    free_.push_back(index);
    return std::exchange(entries_[index].value, {});
  }

  void clear() {
    entries_.clear();
    free_.clear();
  }

 private:
  struct Entry {
    T value;
    std::uint32_t generation = 1;
  };

  Ticket ticket(std::size_t index) const {
    return static_cast<Ticket>(entries_[index].generation) << 32 | index;
  }

  const std::size_t entries_max_;
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> free_;
};

}  // namespace usher::session
