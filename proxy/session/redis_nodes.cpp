#include "proxy/session/redis_nodes.h"

#include <utility>

#include "proxy/base/check.h"
#include "proxy/redis/refusal.h"
#include "proxy/redis/slot.h"

namespace usher::session {

RedisNodes::RedisNodes(uv::Loop& loop, const std::vector<redis::Server>& servers, bool cluster,
                       redis::Node::Options options, std::function<void()> on_change) {
  CHECK(!servers.empty() && (cluster || servers.size() == 1));
  if (cluster) {
    cluster_ = std::make_unique<redis::Cluster>(loop, servers, options, std::move(on_change));
    cluster_->open();
  } else {
    single_ = std::make_unique<redis::Node>(loop, servers.front(), options, std::move(on_change));
    single_->open();
  }
}

redis::Node* RedisNodes::owner(const RedisKey& key) {
  if (closed_) {
    return nullptr;
  }
  return single_ ? single_.get() : cluster_->owner(redis::slot_of(key.view()));
}

std::optional<RedisNodes::Elsewhere> RedisNodes::follow(const std::string& error,
                                                        const redis::Node& from) {
  const auto redirect = cluster_ ? redis::parse_redirect(error) : std::nullopt;
  redis::Node* node = redirect ? cluster_->follow(*redirect, from) : nullptr;
  return node == nullptr ? std::nullopt : std::optional(Elsewhere{node, redirect->ask});
}

bool RedisNodes::wait(const redis::Node& node, uv::LoopTime until,
                      redis::Arrivals::OnArrival on_arrival) {
  return cluster_ && cluster_->wait(node, until, std::move(on_arrival));
}

void RedisNodes::close() {
  closed_ = true;
  if (single_) {
    single_->close();
  }
  if (cluster_) {
    cluster_->close();
  }
}

}  // namespace usher::session
