#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/metrics/registry.h"
#include "proxy/server/generation.h"
#include "proxy/session/cache_metrics.h"
#include "proxy/session/memory_store.h"

namespace usher::server {

// The label `result` of both tiers' counts (CONTRACT "Values").
std::string_view name_of(session::CacheResult result);

// What belongs to the process of its session caches: the memory tier that all workers share, the
// cells that workers count both tiers in, and what operators see and do. Cells outlive reloads.
// Thread: main; the store is any's, cells are written by their workers. Owner: the server; outlives
// the workers and the admin pages.
class SessionCaches {
 public:
  SessionCaches(metrics::Registry& registry, unsigned workers);

  session::MemoryStore& memory() { return memory_; }
  session::CacheMetrics& cells(unsigned worker) { return *cells_[worker]; }
  // One worker's cells of these servers, which are there. Other settings have other cells: their
  // connections live side by side for a while, and each tells of its own state.
  session::RedisMetrics& redis_cells(const Generation::Redis& redis, unsigned worker);

  // A generation is in force: its bound of the memory tier, its servers' rows.
  void configure(const Generation& generation);
  std::size_t flush() { return memory_.clear(); }  // how many there were

  struct Counts {
    std::array<std::uint64_t, session::kCacheResults> lookups{};
    std::array<std::uint64_t, session::kCacheResults> stores{};
  };
  struct Node {
    std::string label;          // without user and password
    bool up = false;            // of every worker
    bool breaker_open = false;  // of any worker
  };
  struct Status {
    session::MemoryStore::Stats memory;
    Counts memory_counts;
    Counts redis_counts;
    std::vector<Node> nodes;  // empty: no Redis
    bool cluster = false;
    bool stateful_tls13 = false;
  };
  Status status() const;

 private:
  using Cells = std::vector<std::unique_ptr<session::RedisMetrics>>;  // per worker

  Cells& redis_cells(const Generation::Redis& redis);
  void register_worker(const session::CacheMetrics& cells);

  session::MemoryStore memory_{0};
  metrics::Registry& registry_;
  metrics::Registry::Group rows_;
  metrics::Registry::Group node_rows_;  // of the servers in force
  const unsigned workers_;
  std::vector<std::unique_ptr<session::CacheMetrics>> cells_;
  std::list<std::pair<Generation::Redis, Cells>> redis_cells_;  // for as long as the process lives
  const Cells* in_force_ = nullptr;                             // null: no Redis
  bool cluster_ = false;
  bool stateful_tls13_ = false;
};

}  // namespace usher::server
