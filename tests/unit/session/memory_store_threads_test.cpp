// The memory tier under many workers at once; for TSan above all.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "proxy/session/memory_store.h"
#include "tests/unit/session/support/ids.h"

namespace usher::session::test {
namespace {

using namespace std::chrono_literals;

// Every byte of it follows from the number: half a copy is seen.
std::vector<std::byte> copies_of(std::uint32_t number) {
  const auto id = id_of(number);
  std::vector<std::byte> value;
  for (std::uint32_t i = 0; i < 1 + number % 8; ++i) {
    value.insert(value.end(), id.begin(), id.end());
  }
  return value;
}

void join(std::vector<std::thread>& threads) {
  for (std::thread& thread : threads) {
    thread.join();
  }
}

TEST(MemoryStoreThreads, no_value_is_torn_or_of_another_id) {
  constexpr std::uint32_t kIds = 2000;
  MemoryStore store(1000);
  std::atomic<std::uint32_t> wrong{0};
  std::atomic<std::uint32_t> hits{0};
  std::atomic<bool> done{false};
  std::vector<std::thread> workers;
  for (std::uint32_t worker = 0; worker < 3; ++worker) {
    workers.emplace_back([&, worker] {
      std::vector<std::byte> value;
      for (std::uint32_t i = 0; i < 20'000; ++i) {
        const std::uint32_t number = (i * 7919 + worker * 31) % kIds;
        if (store.get(id_of(number), i % 16 == 0, kNow, value)) {
          ++hits;
          wrong += value == copies_of(number) ? 0 : 1;
        } else {
          store.put(id_of(number), copies_of(number), kLater, kNow);
        }
        if (i % 64 == 0) {
          store.remove(id_of(number));
        }
      }
    });
  }
  std::thread main([&] {
    for (std::size_t turn = 0; !done; ++turn) {
      store.set_entries_max(std::array<std::size_t, 4>{1000, 64, 5000, 300}[turn % 4]);
      wrong += store.stats().entries > 5000 + 64 ? 1 : 0;
      if (turn % 16 == 0) {
        store.clear();
      }
      std::this_thread::yield();
    }
  });
  join(workers);
  done = true;
  main.join();
  EXPECT_EQ(wrong, 0U);
  EXPECT_GT(hits, 0U);
  const std::size_t entries = store.stats().entries;
  EXPECT_EQ(store.clear(), entries);
  EXPECT_EQ(store.stats().entries, 0U);
  store.set_entries_max(10);  // what counts is still exact: ten fit, the eleventh evicts
  for (std::uint32_t i = 0; i < 10; ++i) {
    EXPECT_EQ(store.put(id_of(i), copies_of(i), kLater, kNow), MemoryStore::Stored::kStored);
  }
  EXPECT_EQ(store.put(id_of(10), copies_of(10), kLater, kNow), MemoryStore::Stored::kEvicted);
}

TEST(MemoryStoreThreads, once_is_once) {
  constexpr std::uint32_t kIds = 5000;
  MemoryStore store(kIds);
  for (std::uint32_t i = 0; i < kIds; ++i) {
    store.put(id_of(i), copies_of(i), kLater, kNow);
  }
  std::vector<std::atomic<int>> taken(kIds);
  std::vector<std::thread> workers;
  for (int worker = 0; worker < 4; ++worker) {
    workers.emplace_back([&] {
      std::vector<std::byte> value;
      for (std::uint32_t i = 0; i < kIds; ++i) {
        taken[i] += store.get(id_of(i), true, kNow, value) ? 1 : 0;
      }
    });
  }
  join(workers);
  for (std::uint32_t i = 0; i < kIds; ++i) {
    EXPECT_EQ(taken[i], 1) << i;
  }
}

// Reloads move entries between shards while workers look up and store: what is not evicted is found
// again when they are over.
TEST(MemoryStoreThreads, growing_loses_nothing) {
  constexpr std::uint32_t kBefore = 500;
  constexpr std::uint32_t kIds = 1000;
  MemoryStore store(kIds);
  for (std::uint32_t i = 0; i < kBefore; ++i) {
    store.put(id_of(i), copies_of(i), kLater, kNow);
  }
  std::atomic<std::uint32_t> turn{0};
  std::thread worker([&] {
    std::vector<std::byte> value;
    for (std::uint32_t i = kBefore; i < kIds; ++i) {
      while (turn < (i - kBefore) / 5) {  // a few in each turn
      }
      store.put(id_of(i), copies_of(i), kLater, kNow);
      (void)store.get(id_of(i / 2), false, kNow, value);
    }
  });
  for (; turn < (kIds - kBefore) / 5; ++turn) {
    store.set_entries_max(20'000);
    store.set_entries_max(kIds);
  }
  worker.join();
  std::vector<std::byte> value;
  for (std::uint32_t i = 0; i < kIds; ++i) {
    EXPECT_TRUE(store.get(id_of(i), false, kNow, value) && value == copies_of(i)) << i;
  }
}

}  // namespace
}  // namespace usher::session::test
