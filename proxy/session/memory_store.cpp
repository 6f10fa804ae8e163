#include "proxy/session/memory_store.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>

#include "proxy/session/memory_shard.h"

namespace usher::session {
namespace {

using Entry = MemoryShard::Entry;
using Id = MemoryShard::Id;

constexpr std::size_t kShardsMax = 64;
// A shard in use has its share of at least so many: then no shard is empty when the store is full,
// and CLOCK has something to choose from.
constexpr std::size_t kShareMin = 64;
constexpr std::size_t kSlice = 64;  // entries that are moved or evicted under one lock

std::size_t shards_for(std::size_t entries_max) {
  return std::bit_floor(std::clamp(entries_max / kShareMin, std::size_t{1}, kShardsMax));
}

std::optional<Id> id_of(ByteView bytes) {
  Id id;
  if (bytes.size() != id.size()) {
    return std::nullopt;
  }
  std::ranges::copy(bytes, id.begin());
  return id;
}

Entry entry_of(const Id& id, ByteView sealed, BootClock::time_point expires) {
  auto value = std::make_unique_for_overwrite<std::byte[]>(sealed.size());
  std::ranges::copy(sealed, value.get());
  return {id, expires, std::move(value), static_cast<std::uint32_t>(sealed.size()), false};
}

struct alignas(64) LockedShard {  // a cache line of its own: workers lock neighbours
  std::mutex mutex;
  MemoryShard shard;
};

}  // namespace

// Entries count for the whole store, so that it holds all of entries_max although ids do not fall
// evenly; what is full evicts from the shard of the new id. `entries` and the limits are atomics
// beside the locks; which shards are in use is checked under a shard's lock.
struct MemoryStore::State {
  struct Held {
    std::unique_lock<std::mutex> lock;
    MemoryShard& shard;
  };

  explicit State(std::size_t max) : entries_max(max), shards_used(shards_for(max)) {}

  std::size_t index_of(const Id& id) const {
    return MemoryShard::hash_of(id) >> 58 & (shards_used.load(std::memory_order_relaxed) - 1);
  }

  // The id's shard, locked. set_entries_max() changes their number and then moves entries shard by
  // shard under its lock: who asks again after locking is either before that move or right.
  Held lock(const Id& id) {
    for (;;) {
      const std::size_t index = index_of(id);
      std::unique_lock lock(shards[index].mutex);
      if (index_of(id) == index) {
        return {std::move(lock), shards[index].shard};
      }
    }
  }

  bool reserve() {  // room for one more
    std::size_t count = entries.load(std::memory_order_relaxed);
    while (count < entries_max.load(std::memory_order_relaxed)) {
      if (entries.compare_exchange_weak(count, count + 1, std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }

  Entry remove(MemoryShard& shard, MemoryShard::Position position) {
    entries.fetch_sub(1, std::memory_order_relaxed);
    return shard.remove(position);
  }

  void evict_slice(LockedShard& locked, std::size_t share, BootClock::time_point now);
  bool move_slice(std::size_t from, std::size_t& end);

  std::array<LockedShard, kShardsMax> shards;
  std::atomic<std::size_t> entries{0};
  std::atomic<std::size_t> entries_max;
  std::atomic<std::size_t> shards_used;
  std::atomic<std::uint64_t> evictions{0};
  std::mutex resizing;
};

MemoryStore::MemoryStore(std::size_t entries_max) : state_(std::make_unique<State>(entries_max)) {}

MemoryStore::~MemoryStore() = default;

MemoryStore::Stored MemoryStore::put(ByteView id_bytes, ByteView sealed,
                                     BootClock::time_point expires, BootClock::time_point now) {
  const std::optional<Id> id = id_of(id_bytes);
  if (!id || sealed.empty() || sealed.size() > kValueMax || expires <= now ||
      state_->entries_max.load(std::memory_order_relaxed) == 0) {
    return Stored::kRefused;
  }
  Entry entry = entry_of(*id, sealed, expires);
  Entry before;  // freed after the lock
  const State::Held held = state_->lock(*id);
  MemoryShard& shard = held.shard;
  if (const auto position = shard.find(*id); position != MemoryShard::kNone) {
    before = shard.replace(position, std::move(entry));
    return Stored::kReplaced;
  }
  if (state_->reserve()) {
    shard.add(std::move(entry));
    return Stored::kStored;
  }
  if (shard.size() == 0) {  // one too many, rather than a second lock; as good as never
    state_->entries.fetch_add(1, std::memory_order_relaxed);
    shard.add(std::move(entry));
    return Stored::kStored;
  }
  before = shard.replace(shard.victim(now), std::move(entry));
  if (before.expires <= now) {
    return Stored::kStored;
  }
  state_->evictions.fetch_add(1, std::memory_order_relaxed);
  return Stored::kEvicted;
}

bool MemoryStore::get(ByteView id_bytes, bool once, BootClock::time_point now,
                      std::vector<std::byte>& sealed) {
  const std::optional<Id> id = id_of(id_bytes);
  if (!id) {
    return false;
  }
  Entry taken;  // freed after the lock
  const State::Held held = state_->lock(*id);
  const auto position = held.shard.find(*id);
  if (position == MemoryShard::kNone) {
    return false;
  }
  Entry& entry = held.shard.at(position);
  const bool found = entry.expires > now;
  if (found) {
    sealed.assign(entry.value.get(), entry.value.get() + entry.size);
    entry.used = true;
  }
  if (once || !found) {
    taken = state_->remove(held.shard, position);
  }
  return found;
}

void MemoryStore::remove(ByteView id_bytes) {
  const std::optional<Id> id = id_of(id_bytes);
  if (!id) {
    return;
  }
  Entry taken;  // freed after the lock
  const State::Held held = state_->lock(*id);
  if (const auto position = held.shard.find(*id); position != MemoryShard::kNone) {
    taken = state_->remove(held.shard, position);
  }
}

// While the store holds too many: of what this shard has above its share.
void MemoryStore::State::evict_slice(LockedShard& locked, std::size_t share,
                                     BootClock::time_point now) {
  std::vector<Entry> gone;  // freed after the lock
  gone.reserve(kSlice);
  const std::lock_guard lock(locked.mutex);
  while (entries.load(std::memory_order_relaxed) > entries_max.load(std::memory_order_relaxed) &&
         locked.shard.size() > share && gone.size() < kSlice) {
    gone.push_back(remove(locked.shard, locked.shard.victim(now)));
    if (gone.back().expires > now) {
      evictions.fetch_add(1, std::memory_order_relaxed);
    }
  }
}

// What belongs to another shard now goes there, from the list's end on: removing fills a hole with
// the last entry, which was looked at before. False: none is left.
bool MemoryStore::State::move_slice(std::size_t from, std::size_t& end) {
  std::vector<Entry> moving;
  moving.reserve(kSlice);
  {
    MemoryShard& shard = shards[from].shard;
    const std::lock_guard lock(shards[from].mutex);
    end = std::min(end, shard.size());
    for (std::size_t looked_at = 0; end > 0 && looked_at < kSlice; ++looked_at) {
      const auto position = static_cast<MemoryShard::Position>(--end);
      if (index_of(shard.at(position).id) != from) {
        moving.push_back(remove(shard, position));
      }
    }
  }
  for (Entry& entry : moving) {
    const Held held = lock(entry.id);
    if (held.shard.find(entry.id) == MemoryShard::kNone && reserve()) {
      held.shard.add(std::move(entry));
    }
  }
  return end > 0;
}

void MemoryStore::set_entries_max(std::size_t entries_max) {
  State& state = *state_;
  const std::lock_guard resizing(state.resizing);
  const std::size_t shards_before = state.shards_used.load();
  const std::size_t shards_now = shards_for(entries_max);
  const BootClock::time_point now = BootClock::now();
  state.entries_max.store(std::max(entries_max, state.entries.load()));  // none is lost by moving
  state.shards_used.store(shards_now);
  for (std::size_t i = 0; i < shards_before && shards_now != shards_before; ++i) {
    for (std::size_t end = SIZE_MAX; state.move_slice(i, end);) {
    }
  }
  state.entries_max.store(entries_max);
  while (state.entries.load() > entries_max) {
    for (std::size_t i = 0; i < shards_now; ++i) {
      state.evict_slice(state.shards[i], entries_max / shards_now, now);
    }
  }
  for (LockedShard& locked : state.shards) {
    const std::lock_guard lock(locked.mutex);
    locked.shard.fit_index();
  }
}

std::size_t MemoryStore::clear() {
  std::size_t count = 0;
  for (LockedShard& locked : state_->shards) {
    MemoryShard gone;  // freed after the lock
    const std::lock_guard lock(locked.mutex);
    std::swap(gone, locked.shard);
    count += gone.size();
    state_->entries.fetch_sub(gone.size(), std::memory_order_relaxed);
  }
  return count;
}

MemoryStore::Stats MemoryStore::stats() const {
  Stats stats;
  stats.entries_max = state_->entries_max.load(std::memory_order_relaxed);
  stats.evictions = state_->evictions.load(std::memory_order_relaxed);
  for (LockedShard& locked : state_->shards) {
    const std::lock_guard lock(locked.mutex);
    stats.entries += locked.shard.size();
    stats.bytes += locked.shard.bytes();
  }
  return stats;
}

}  // namespace usher::session
