#include "proxy/base/secret.h"

#include <openssl/crypto.h>
#include <sys/mman.h>

#include <atomic>
#include <map>
#include <mutex>
#include <vector>

namespace usher {
namespace secret_arena {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kSlotMin = 32;    // a Secret<16> and a Secret<32> share a class
constexpr std::size_t kSlotMax = 2048;  // larger requests get pages of their own

std::atomic<bool> every_lock_held{true};

std::byte* map_pages(std::size_t size) {
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(memory != MAP_FAILED);
  if (::mlock(memory, size) != 0) {
    every_lock_held.store(false, std::memory_order_relaxed);
  }
  (void)::madvise(memory, size, MADV_DONTDUMP);
  (void)::madvise(memory, size, MADV_WIPEONFORK);
  return static_cast<std::byte*>(memory);
}

std::size_t round_up(std::size_t size, std::size_t unit) {
  return (size + unit - 1) / unit * unit;
}

std::size_t slot_size(std::size_t size) {
  std::size_t slot = kSlotMin;
  while (slot < size) {
    slot *= 2;
  }
  return slot;
}

// Free slots by size. Pages are never given back: their number is bounded by the keys alive at
// once.
struct Slots {
  std::mutex mutex;
  std::map<std::size_t, std::vector<std::byte*>> free;
};

// Never destroyed: secrets in statics may outlive any order of destruction.
Slots& slots() {
  static Slots* const kSlots = new Slots;
  return *kSlots;
}

}  // namespace

std::byte* allocate(std::size_t size) {
  CHECK(size > 0);
  if (size > kSlotMax) {
    return map_pages(round_up(size, kPage));
  }
  const std::size_t slot = slot_size(size);
  std::lock_guard lock(slots().mutex);
  std::vector<std::byte*>& free = slots().free[slot];
  if (free.empty()) {
    std::byte* page = map_pages(kPage);
    for (std::size_t at = kPage; at >= slot; at -= slot) {
      free.push_back(page + at - slot);
    }
  }
  std::byte* memory = free.back();
  free.pop_back();
  return memory;
}

void free(std::byte* memory, std::size_t size) {
  OPENSSL_cleanse(memory, size);
  if (size > kSlotMax) {
    ::munmap(memory, round_up(size, kPage));
    return;
  }
  std::lock_guard lock(slots().mutex);
  slots().free[slot_size(size)].push_back(memory);
}

bool locked() {
  return every_lock_held.load(std::memory_order_relaxed);
}

}  // namespace secret_arena

void wipe(std::span<std::byte> bytes) {
  OPENSSL_cleanse(bytes.data(), bytes.size());
}

}  // namespace usher
