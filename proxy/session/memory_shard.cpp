#include "proxy/session/memory_shard.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "proxy/base/check.h"
#include "proxy/base/mix.h"

namespace usher::session {
namespace {

constexpr std::size_t kCellsMin = 16;
// How far the hand looks for an expired entry. Sessions live equally long and the hand meets the
// oldest first, so what has expired is near it.
constexpr std::size_t kLookAhead = 16;
// Where everything was used lately the hand stops here and takes what it finds: the lock is held
// meanwhile, and what it passed has lost its second chance.
constexpr int kPassedMax = 128;

std::uint64_t number_at(const MemoryShard::Id& id, std::size_t offset) {
  std::uint64_t number = 0;
  std::memcpy(&number, id.data() + offset, sizeof number);
  return number;
}

}  // namespace

std::uint64_t MemoryShard::hash_of(const Id& id) {
  return mixed(number_at(id, 4) ^ mixed(number_at(id, 12)));  // within the 20 random bytes
}

MemoryShard::Position MemoryShard::find(const Id& id) const {
  if (cells_.empty()) {
    return kNone;
  }
  const auto hash = static_cast<std::uint32_t>(hash_of(id));
  const std::size_t mask = cells_.size() - 1;
  for (std::size_t at = hash & mask; cells_[at].place != 0; at = (at + 1) & mask) {
    const Position position = cells_[at].place - 1;
    if (cells_[at].hash == hash && entries_[position].id == id) {
      return position;
    }
  }
  return kNone;
}

void MemoryShard::add(Entry entry) {
  if ((entries_.size() + 1) * 4 > cells_.size() * 3) {
    reindex(std::max(kCellsMin, cells_.size() * 2));
  }
  value_bytes_ += entry.size;
  link(entry.id, static_cast<Position>(entries_.size()));
  entries_.push_back(std::move(entry));
}

MemoryShard::Entry MemoryShard::replace(Position position, Entry entry) {
  Entry& place = entries_[position];
  if (place.id != entry.id) {
    unlink(cell_of(place, position));
    link(entry.id, position);
  }
  value_bytes_ += entry.size;
  value_bytes_ -= place.size;
  return std::exchange(place, std::move(entry));
}

MemoryShard::Entry MemoryShard::remove(Position position) {
  const auto last = static_cast<Position>(entries_.size() - 1);
  unlink(cell_of(entries_[position], position));
  if (position != last) {
    cells_[cell_of(entries_[last], last)].place = position + 1;
    std::swap(entries_[position], entries_[last]);
  }
  Entry removed = std::move(entries_.back());
  entries_.pop_back();
  value_bytes_ -= removed.size;
  return removed;
}

MemoryShard::Position MemoryShard::victim(BootClock::time_point now) {
  const std::size_t count = entries_.size();
  CHECK(count > 0);
  const auto pass = [&](std::size_t at) { hand_ = static_cast<Position>((at + 1) % count); };
  const std::size_t from = hand_ < count ? hand_ : 0;
  for (std::size_t i = 0; i < std::min(kLookAhead, count); ++i) {
    const std::size_t at = (from + i) % count;
    if (entries_[at].expires <= now) {
      pass(at);
      return static_cast<Position>(at);
    }
  }
  hand_ = static_cast<Position>(from);
  for (int passed = 0; passed < kPassedMax && entries_[hand_].used; ++passed) {
    entries_[hand_].used = false;
    pass(hand_);
  }
  const Position found = hand_;
  pass(found);
  return found;
}

void MemoryShard::fit_index() {
  std::size_t cells = kCellsMin;
  while (entries_.size() * 4 > cells * 3) {
    cells *= 2;
  }
  if (cells < cells_.size()) {
    reindex(cells);
  }
}

std::size_t MemoryShard::bytes() const {
  return value_bytes_ + entries_.size() * sizeof(Entry) + cells_.size() * sizeof(Cell);
}

std::size_t MemoryShard::cell_of(const Entry& entry, Position position) const {
  const std::size_t mask = cells_.size() - 1;
  std::size_t at = hash_of(entry.id) & mask;
  while (cells_[at].place != position + 1) {
    CHECK(cells_[at].place != 0);
    at = (at + 1) & mask;
  }
  return at;
}

void MemoryShard::link(const Id& id, Position position) {
  const auto hash = static_cast<std::uint32_t>(hash_of(id));
  const std::size_t mask = cells_.size() - 1;
  std::size_t at = hash & mask;
  while (cells_[at].place != 0) {
    at = (at + 1) & mask;
  }
  cells_[at] = {hash, position + 1};
}

// Knuth's algorithm R (TAOCP 3, §6.4): cells behind move up, so that no search ends too early and
// nothing marks what was deleted.
void MemoryShard::unlink(std::size_t cell) {
  const std::size_t mask = cells_.size() - 1;
  std::size_t hole = cell;
  for (std::size_t at = (hole + 1) & mask; cells_[at].place != 0; at = (at + 1) & mask) {
    const std::size_t home = cells_[at].hash & mask;
    if (((at - home) & mask) >= ((at - hole) & mask)) {
      cells_[hole] = cells_[at];
      hole = at;
    }
  }
  cells_[hole] = {};
}

void MemoryShard::reindex(std::size_t cells) {
  cells_.assign(cells, {});
  cells_.shrink_to_fit();
  for (Position position = 0; position < entries_.size(); ++position) {
    link(entries_[position].id, position);
  }
}

}  // namespace usher::session
