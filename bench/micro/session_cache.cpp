#include <benchmark/benchmark.h>
#include <openssl/crypto.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <vector>

#include "proxy/base/check.h"
#include "proxy/base/openssl_ptr.h"
#include "proxy/keyring/rotation.h"
#include "proxy/session/memory_store.h"
#include "proxy/session/session_keys.h"

// What a session cache adds to a handshake: ids, names, sealing and opening, the memory tier; and
// what a session takes of memory.
namespace {

using namespace usher;
using namespace std::chrono_literals;
using session::KeyBook;
using session::MemoryStore;

using Id = std::array<std::byte, session::kIdSize>;

constexpr std::size_t kSessionSize = 190;  // DER of a TLS 1.2 session without client certificate
constexpr BootClock::time_point kNow{1000h};
constexpr std::size_t kEntries = 100'000;

struct Node {
  Node() {
    auto ring = keyring::first_ring(kNow, {}, keyring::private_random());
    CHECK(ring);
    rings.publish(std::make_shared<const keyring::KeyRing>(*std::move(ring)));
    auto made = KeyBook::create(library.get(), rings);
    CHECK(made);
    book = *std::move(made);
    CHECK(book->make_id(id, kNow));
    CHECK(book->seal(keys(), id, domain, der, sealed));
  }
  const session::SessionKeys& keys() { return *book->keys_of(id, kNow); }

  LibCtxPtr library{OSSL_LIB_CTX_new()};
  Snapshot<keyring::KeyRing> rings{std::make_shared<const keyring::KeyRing>()};
  std::unique_ptr<KeyBook> book;
  Id id{};
  Id domain{};
  std::vector<std::byte> der = std::vector<std::byte>(kSessionSize);
  std::vector<std::byte> sealed;
};

void make_id(benchmark::State& state) {
  Node node;
  while (state.KeepRunning()) {
    CHECK(node.book->make_id(node.id, kNow));
  }
}

void keys_of(benchmark::State& state) {
  Node node;
  while (state.KeepRunning()) {
    CHECK(node.book->keys_of(node.id, kNow) != nullptr);
  }
}

void keys_of_foreign(benchmark::State& state) {
  Node node;
  node.id[0] ^= std::byte{1};
  while (state.KeepRunning()) {
    CHECK(node.book->keys_of(node.id, kNow) == nullptr);
  }
}

void name_of(benchmark::State& state) {
  Node node;
  const auto& keys = node.keys();
  while (state.KeepRunning()) {
    benchmark::DoNotOptimize(node.book->name_of(keys, node.id));
  }
}

void seal(benchmark::State& state) {
  Node node;
  const auto& keys = node.keys();
  while (state.KeepRunning()) {
    CHECK(node.book->seal(keys, node.id, node.domain, node.der, node.sealed));
  }
}

void open(benchmark::State& state) {
  Node node;
  const auto& keys = node.keys();
  std::size_t size = 0;
  while (state.KeepRunning()) {
    CHECK(node.book->open(keys, node.id, node.domain, node.sealed, node.der, size));
  }
}

std::vector<Id> ids(std::size_t count) {
  Node node;
  std::vector<Id> made(count);
  for (Id& id : made) {
    CHECK(node.book->make_id(id, kNow));
  }
  return made;
}

void put(benchmark::State& state) {
  static const std::vector<Id> some = ids(4 * kEntries);
  static MemoryStore store(kEntries);
  const std::vector<std::byte> value(kSessionSize + KeyBook::kSealOverhead);
  std::size_t at = static_cast<std::size_t>(state.thread_index()) * kEntries;
  while (state.KeepRunning()) {
    (void)store.put(some[at++ % some.size()], value, kNow + 6h, kNow);
  }
}

void get(benchmark::State& state) {
  static const std::vector<Id> some = ids(kEntries);
  static MemoryStore store(kEntries);
  static const bool filled = [] {
    const std::vector<std::byte> value(kSessionSize + KeyBook::kSealOverhead);
    for (const Id& id : some) {
      (void)store.put(id, value, kNow + 6h, kNow);
    }
    return true;
  }();
  CHECK(filled);
  std::vector<std::byte> value;
  std::size_t at = static_cast<std::size_t>(state.thread_index()) * kEntries / 2;
  while (state.KeepRunning()) {
    CHECK(store.get(some[at++ % some.size()], false, kNow, value));
  }
}

// All that a resumption from memory asks of the cache.
void resume_from_memory(benchmark::State& state) {
  Node node;
  MemoryStore store(kEntries);
  CHECK(store.put(node.id, node.sealed, kNow + 6h, kNow) == MemoryStore::Stored::kStored);
  std::vector<std::byte> value;
  std::size_t size = 0;
  while (state.KeepRunning()) {
    const auto* keys = node.book->keys_of(node.id, kNow);
    CHECK(store.get(node.id, false, kNow, value));
    CHECK(node.book->open(*keys, node.id, node.domain, value, node.der, size));
    OPENSSL_cleanse(node.der.data(), size);
  }
}

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  statm >> total >> resident;
  return resident * 4096;
}

// Of a process that has not yet freed anything it could use again.
void print_bytes_per_session() {
  const std::vector<Id> some = ids(kEntries);
  const std::vector<std::byte> value(kSessionSize + KeyBook::kSealOverhead);
  const std::size_t before = resident_bytes();
  MemoryStore store(kEntries);
  for (const Id& id : some) {
    (void)store.put(id, value, kNow + 6h, kNow);
  }
  CHECK(store.stats().entries == kEntries);
  std::printf("%zu sessions of %zu bytes: %zu bytes of resident memory each\n", kEntries,
              kSessionSize, (resident_bytes() - before) / kEntries);
}

BENCHMARK(make_id);
BENCHMARK(keys_of);
BENCHMARK(keys_of_foreign);
BENCHMARK(name_of);
BENCHMARK(seal);
BENCHMARK(open);
BENCHMARK(put)->ThreadRange(1, 2)->UseRealTime();
BENCHMARK(get)->ThreadRange(1, 2)->UseRealTime();
BENCHMARK(resume_from_memory);

}  // namespace

int main(int argc, char** argv) {
  print_bytes_per_session();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
