#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proxy/redis/cluster.h"
#include "proxy/redis/node.h"
#include "proxy/redis/url.h"
#include "proxy/session/redis_key.h"

namespace usher::session {

// The servers of one tier: a single one, or a cluster's. Nodes outlive their commands (or close
// them), so that what a command carries may point to them. Thread: the loop's. Owner: the tier.
class RedisNodes {
 public:
  // `on_change`: what a row of metrics tells of a server may have changed. Never inside a member.
  RedisNodes(uv::Loop& loop, const std::vector<redis::Server>& servers, bool cluster,
             redis::Node::Options options, std::function<void()> on_change);

  bool is_cluster() const { return cluster_ != nullptr; }
  redis::Node* owner(const RedisKey& key);  // null: nobody is known to be, or closed
  redis::Node& configured(std::size_t index) { return single_ ? *single_ : cluster_->seed(index); }

  struct Elsewhere {
    redis::Node* node;
    bool ask;  // ASKING goes before it
  };
  // Where a cluster sends what it refused with `error`; the slot map learns of it. None: nowhere.
  std::optional<Elsewhere> follow(const std::string& error, const redis::Node& from);
  // As redis::Arrivals::wait().
  bool wait(const redis::Node& node, uv::LoopTime until, redis::Arrivals::OnArrival on_arrival);

  void close();  // for good; idempotent. No callback follows

 private:
  std::unique_ptr<redis::Node> single_;  // one of these two
  std::unique_ptr<redis::Cluster> cluster_;
  bool closed_ = false;
};

}  // namespace usher::session
