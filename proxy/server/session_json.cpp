#include "proxy/server/session_json.h"

#include <nlohmann/json.hpp>

namespace usher::server {
namespace {

using nlohmann::json;

json by_result(const std::array<std::uint64_t, session::kCacheResults>& counts) {
  json object = json::object();
  for (std::size_t i = 0; i < counts.size(); ++i) {
    object[std::string(name_of(static_cast<session::CacheResult>(i)))] = counts[i];
  }
  return object;
}

json tier_json(const SessionCaches::Counts& counts) {
  return {{"lookups", by_result(counts.lookups)}, {"stores", by_result(counts.stores)}};
}

}  // namespace

json sessions_json(const SessionCaches::Status& status) {
  json memory = tier_json(status.memory_counts);
  memory["entries"] = status.memory.entries;
  memory["max"] = status.memory.entries_max;
  memory["bytes"] = status.memory.bytes;
  memory["evictions"] = status.memory.evictions;
  json sessions = {
      {"memory", std::move(memory)}, {"redis", nullptr}, {"stateful_tls13", status.stateful_tls13}};
  if (!status.nodes.empty()) {
    json redis = tier_json(status.redis_counts);
    redis["cluster"] = status.cluster;
    redis["nodes"] = json::array();
    for (const SessionCaches::Node& node : status.nodes) {
      redis["nodes"].push_back(
          {{"node", node.label}, {"up", node.up}, {"breaker_open", node.breaker_open}});
    }
    sessions["redis"] = std::move(redis);
  }
  return sessions;
}

}  // namespace usher::server
