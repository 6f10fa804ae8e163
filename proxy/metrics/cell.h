#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace usher::metrics {

// A counter or gauge with one writing thread: relaxed load and store, no locked instruction (DESIGN
// §3). Any thread may read it. Owner: the struct it stands in, which outlives its registration.
class Cell {
 public:
  void add(std::uint64_t amount = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  void sub(std::uint64_t amount = 1) {
    value_.store(value_.load(std::memory_order_relaxed) - amount, std::memory_order_relaxed);
  }
  void set(std::uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Latencies from 100 µs to 10 s; the same bounds everywhere so that panels compare.
inline constexpr std::array<double, 15> kLatencyBounds{0.0001, 0.00025, 0.0005, 0.001, 0.0025,
                                                       0.005,  0.01,    0.025,  0.05,  0.1,
                                                       0.25,   0.5,     1.0,    2.5,   10.0};

// A histogram of seconds with one writing thread; any thread may read. Owner: as of Cell.
class LatencyHistogram {
 public:
  void observe(std::chrono::nanoseconds latency) {
    latency = std::max(latency, std::chrono::nanoseconds(0));  // the sum never goes back
    const double seconds = std::chrono::duration<double>(latency).count();
    std::size_t bucket = 0;
    while (bucket < kLatencyBounds.size() && seconds > kLatencyBounds[bucket]) {
      ++bucket;
    }
    buckets_[bucket].add();
    sum_nanoseconds_.add(static_cast<std::uint64_t>(latency.count()));
  }
  const Cell& bucket(std::size_t index) const { return buckets_[index]; }
  double sum_seconds() const { return static_cast<double>(sum_nanoseconds_.value()) * 1e-9; }

 private:
  std::array<Cell, kLatencyBounds.size() + 1> buckets_;  // the last is +Inf
  Cell sum_nanoseconds_;
};

}  // namespace usher::metrics
