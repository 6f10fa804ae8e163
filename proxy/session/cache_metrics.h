#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "proxy/metrics/cell.h"

namespace usher::session {

// What became of a look-up or a store in one tier: label `result`.
enum class CacheResult : std::uint8_t {
  kHit,  // a store: stored
  kMiss,
  kTimeout,
  kError,
  kUnsealable,  // a value that does not open: another domain, tampered with
  kLiar,
  kSkipped,
};
inline constexpr std::size_t kCacheResults = 7;

// One worker's cells of the session caches. Thread: written by the worker, read by any. Owner: the
// server's store of cells.
struct CacheMetrics {
  std::array<metrics::Cell, kCacheResults> memory_lookups;
  std::array<metrics::Cell, kCacheResults> redis_lookups;
  std::array<metrics::Cell, kCacheResults> memory_stores;
  std::array<metrics::Cell, kCacheResults> redis_stores;
};

// Of the Redis tier, per configured node (seed URL): one row each, by the node's label.
struct RedisMetrics {
  struct Node {
    std::string label;
    metrics::Cell up;
    metrics::Cell breaker_open;
  };
  std::vector<std::unique_ptr<Node>> nodes;
  metrics::LatencyHistogram request_seconds;
};

}  // namespace usher::session
