#include "proxy/server/session_caches.h"

#include <algorithm>

namespace usher::server {
namespace {

using session::CacheMetrics;
using session::CacheResult;
using session::RedisMetrics;

constexpr std::array<std::string_view, session::kCacheResults> kResults{
    "hit", "miss", "timeout", "error", "unsealable", "liar", "skipped"};

using Tier = std::array<metrics::Cell, session::kCacheResults>;

void register_tier(metrics::Registry::Group& rows, const metrics::Spec& spec, const char* tier,
                   const Tier& cells) {
  for (std::size_t i = 0; i < cells.size(); ++i) {
    rows.add(spec, {tier, std::string(kResults[i])}, cells[i]);
  }
}

void add_up(std::array<std::uint64_t, session::kCacheResults>& sums, const Tier& cells) {
  for (std::size_t i = 0; i < cells.size(); ++i) {
    sums[i] += cells[i].value();
  }
}

bool up(const std::vector<std::unique_ptr<RedisMetrics>>& workers, std::size_t node) {
  return std::ranges::all_of(
      workers, [&](const auto& worker) { return worker->nodes[node]->up.value() > 0; });
}

bool breaker_open(const std::vector<std::unique_ptr<RedisMetrics>>& workers, std::size_t node) {
  return std::ranges::any_of(
      workers, [&](const auto& worker) { return worker->nodes[node]->breaker_open.value() > 0; });
}

}  // namespace

std::string_view name_of(CacheResult result) {
  return kResults[static_cast<std::size_t>(result)];
}

SessionCaches::SessionCaches(metrics::Registry& registry, unsigned workers)
    : registry_(registry),
      rows_(registry.group()),
      node_rows_(registry.group()),
      workers_(workers) {
  for (unsigned worker = 0; worker < workers; ++worker) {
    cells_.push_back(std::make_unique<CacheMetrics>());
    register_worker(*cells_.back());
  }
  rows_.add(metrics::kSessionEntries, {},
            [this] { return static_cast<double>(memory_.stats().entries); });
}

void SessionCaches::register_worker(const CacheMetrics& cells) {
  register_tier(rows_, metrics::kSessionLookups, "memory", cells.memory_lookups);
  register_tier(rows_, metrics::kSessionLookups, "redis", cells.redis_lookups);
  register_tier(rows_, metrics::kSessionStores, "memory", cells.memory_stores);
  register_tier(rows_, metrics::kSessionStores, "redis", cells.redis_stores);
}

RedisMetrics& SessionCaches::redis_cells(const Generation::Redis& redis, unsigned worker) {
  return *redis_cells(redis)[worker];
}

SessionCaches::Cells& SessionCaches::redis_cells(const Generation::Redis& redis) {
  const auto known = std::ranges::find_if(redis_cells_, [&](const auto& settings_and_cells) {
    return settings_and_cells.first == redis;
  });
  if (known != redis_cells_.end()) {
    return known->second;
  }
  Cells& cells = redis_cells_.emplace_back(redis, Cells()).second;
  while (cells.size() < workers_) {
    cells.push_back(std::make_unique<RedisMetrics>());
    for (const redis::Server& server : redis.servers) {
      cells.back()->add_node(server.label);
    }
    rows_.add(metrics::kRedisRequestSeconds, {}, cells.back()->request_seconds);
  }
  return cells;
}

void SessionCaches::configure(const Generation& generation) {
  const config::SessionCache& settings = generation.config.session_cache;
  memory_.set_entries_max(settings.memory_entries);
  stateful_tls13_ = settings.stateful_tls13;
  cluster_ = settings.redis_cluster;
  metrics::Registry::Group rows = registry_.group();
  in_force_ = generation.redis.servers.empty() ? nullptr : &redis_cells(generation.redis);
  for (std::size_t i = 0; i < generation.redis.servers.size(); ++i) {
    const std::string& label = generation.redis.servers[i].label;
    rows.add(metrics::kRedisUp, {label},
             [in_force = in_force_, i] { return up(*in_force, i) ? 1.0 : 0.0; });
    rows.add(metrics::kRedisBreakerOpen, {label},
             [in_force = in_force_, i] { return breaker_open(*in_force, i) ? 1.0 : 0.0; });
  }
  node_rows_ = std::move(rows);
}

SessionCaches::Status SessionCaches::status() const {
  Status status;
  status.memory = memory_.stats();
  for (const auto& worker : cells_) {
    add_up(status.memory_counts.lookups, worker->memory_lookups);
    add_up(status.memory_counts.stores, worker->memory_stores);
    add_up(status.redis_counts.lookups, worker->redis_lookups);
    add_up(status.redis_counts.stores, worker->redis_stores);
  }
  status.cluster = cluster_;
  status.stateful_tls13 = stateful_tls13_;
  if (in_force_ != nullptr) {
    const auto& nodes = in_force_->front()->nodes;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      status.nodes.push_back({nodes[i]->label, up(*in_force_, i), breaker_open(*in_force_, i)});
    }
  }
  return status;
}

}  // namespace usher::server
