#include "bench/micro/lock_count.h"

#include <dlfcn.h>
#include <pthread.h>

#include "proxy/base/check.h"

namespace {

// Null: this thread counts nothing. Plain, so that reading it before main() is safe.
thread_local usher::bench::LockCounts* counting = nullptr;

void count(const void* lock) {
  if (usher::bench::LockCounts* counts = counting) {
    counting = nullptr;  // what the table itself locks is not meant
    ++(*counts)[lock];
    counting = counts;
  }
}

void forget(const void* lock) {
  if (usher::bench::LockCounts* counts = counting) {
    counting = nullptr;
    counts->erase(lock);
    counting = counts;
  }
}

template <class Function>
Function* next_of(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

int pthread_rwlock_rdlock(pthread_rwlock_t* lock) noexcept {
  static auto* const real = next_of<int(pthread_rwlock_t*)>("pthread_rwlock_rdlock");
  count(lock);
  return real(lock);
}

int pthread_rwlock_wrlock(pthread_rwlock_t* lock) noexcept {
  static auto* const real = next_of<int(pthread_rwlock_t*)>("pthread_rwlock_wrlock");
  count(lock);
  return real(lock);
}

int pthread_rwlock_destroy(pthread_rwlock_t* lock) noexcept {
  static auto* const real = next_of<int(pthread_rwlock_t*)>("pthread_rwlock_destroy");
  forget(lock);
  return real(lock);
}

int pthread_mutex_lock(pthread_mutex_t* lock) noexcept {
  static auto* const real = next_of<int(pthread_mutex_t*)>("pthread_mutex_lock");
  count(lock);
  return real(lock);
}

}  // extern "C"

namespace usher::bench {

LockCounting::LockCounting(LockCounts& counts) {
  CHECK(counting == nullptr);
  counting = &counts;
}

LockCounting::~LockCounting() {
  counting = nullptr;
}

std::uint64_t shared_operations(const LockCounts& a, const LockCounts& b) {
  std::uint64_t sum = 0;
  for (const auto& [lock, operations] : a) {
    if (const auto other = b.find(lock); other != b.end()) {
      sum += operations + other->second;
    }
  }
  return sum;
}

}  // namespace usher::bench
