#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
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

// One worker's cells of the Redis tier: a row for each configured URL, by its label, made before
// the tier. In a cluster a row tells of the connection to that seed; it is also that of look-ups if
// the cluster announces the node by the same host and port. Masters that were learned have no row:
// how many there are is not ours to bound. Thread and owner as above.
struct RedisMetrics {
  struct Node {
    std::string label;
    metrics::Cell up;            // 1: signed in
    metrics::Cell breaker_open;  // 1: not asked now, or by one probe
  };
  void add_node(std::string label) {
    nodes.push_back(std::make_unique<Node>());
    nodes.back()->label = std::move(label);
  }

  std::vector<std::unique_ptr<Node>> nodes;
  metrics::LatencyHistogram request_seconds;  // of look-ups that were answered
};

}  // namespace usher::session
