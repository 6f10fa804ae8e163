#pragma once

#include <atomic>
#include <cstdint>

namespace usher::server {

// process.max_connections: open client connections of all workers together. The only thing that
// accepting shares; one relaxed add per connection, beside a handshake's 200 µs. Thread: any.
// Owner: the server; outlives the workers.
class ConnectionLimit {
 public:
  explicit ConnectionLimit(std::uint64_t most) : most_(most) {}

  bool reached() const {
    return open_.load(std::memory_order_relaxed) >= most_.load(std::memory_order_relaxed);
  }
  void opened() { open_.fetch_add(1, std::memory_order_relaxed); }
  void closed() { open_.fetch_sub(1, std::memory_order_relaxed); }
  std::uint64_t open() const { return open_.load(std::memory_order_relaxed); }
  std::uint64_t most() const { return most_.load(std::memory_order_relaxed); }
  void set_most(std::uint64_t most) { most_.store(most, std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> open_{0};
  std::atomic<std::uint64_t> most_;
};

}  // namespace usher::server
