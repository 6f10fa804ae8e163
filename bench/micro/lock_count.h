#pragma once

#include <cstdint>
#include <unordered_map>

// Counts lock operations by taking the place of pthread_rwlock_* and pthread_mutex_lock for the
// whole program, OpenSSL's included.
namespace usher::bench {

// Operations by the lock's address.
using LockCounts = std::unordered_map<const void*, std::uint64_t>;

// While it lives, this thread's lock operations are counted into `counts`. A lock that dies
// meanwhile was one connection's own and leaves no count: its address may come again on another
// thread.
class LockCounting {
 public:
  explicit LockCounting(LockCounts& counts);
  ~LockCounting();
  LockCounting(const LockCounting&) = delete;
  LockCounting& operator=(const LockCounting&) = delete;
};

// Operations of both on locks that both have touched.
std::uint64_t shared_operations(const LockCounts& a, const LockCounts& b);

}  // namespace usher::bench
