#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "proxy/redis/arrivals.h"
#include "proxy/redis/node.h"
#include "proxy/redis/refusal.h"
#include "proxy/redis/slot.h"
#include "proxy/redis/slot_map.h"
#include "proxy/redis/url.h"
#include "proxy/uv/loop.h"
#include "proxy/uv/timer.h"

namespace usher::redis {

// A Redis cluster: a connection to each seed, always, and to each master that the slot map names,
// as soon as it does. The map is asked for (CLUSTER SLOTS) when there is none, after a redirection,
// while a master is away or a slot is nobody's, and now and then; one request at a time, of one
// node that is up after the other, for a node that was cut off from the others does not know
// better. All nodes are signed in to as the first seed is, other seeds by their own URL. Thread:
// the loop's. Owner: a tier; callbacks may call all but the destructor.
class Cluster {
 public:
  using OnChange = std::function<void()>;  // some node's up() or asked() may have changed

  // `seeds`: at least one, of database 0, as a cluster has no other.
  Cluster(uv::Loop& loop, std::vector<Server> seeds, Node::Options options, OnChange on_change);
  ~Cluster() { close(); }
  Cluster(const Cluster&) = delete;

  void open();
  void close();  // for good; idempotent. No callback follows, of no command either

  // Null: nobody is known to own it. A node lives on for kLeaveAfter when it is not named any more.
  Node* owner(std::uint16_t slot) { return owners_[slot]; }
  Node& seed(std::size_t index) { return *seeds_[index]; }
  // Where `from` sends a request: MOVED changes the map at once, and it is asked for again. Null:
  // to nobody who could be connected to.
  Node* follow(const Redirect& redirect, const Node& from);
  // For a node that follow() has just led to, as Arrivals::wait().
  bool wait(const Node& node, uv::LoopTime until, Arrivals::OnArrival on_arrival) {
    return arrivals_.wait(node, until, std::move(on_arrival));
  }

 private:
  struct Leaving {
    std::unique_ptr<Node> node;
    uv::LoopTime until;
  };

  Node& node_at(const NodeAddress& address);
  bool settled() const;
  void on_node_change();
  void refresh_within(std::chrono::milliseconds delay);
  void on_refresh_timer();
  Node* next_to_ask();
  void on_slots(Outcome outcome, const Reply& reply, Node& asked);
  void adopt(const SlotMap& map);
  void dismiss_unnamed();
  void on_leave_timer();
  std::chrono::milliseconds jittered(std::chrono::milliseconds longest);

  uv::Loop& loop_;
  const Node::Options options_;
  const OnChange on_change_;
  const Server pattern_;                                    // user and password of learned nodes
  std::map<NodeAddress, std::unique_ptr<Node>> nodes_;      // seeds, masters
  std::vector<Node*> seeds_;                                // in the order of their URLs
  std::vector<Node*> masters_;                              // named by the map
  std::vector<Node*> owners_ = std::vector<Node*>(kSlots);  // of slots
  std::vector<Leaving> leaving_;
  bool has_map_ = false;
  bool complete_ = false;
  bool asking_ = false;               // CLUSTER SLOTS is under way
  std::size_t redirected_nodes_ = 0;  // learned by redirection since the last map
  NodeAddress last_asked_;
  std::chrono::milliseconds pause_;  // before the next request for the map, before jitter
  uv::LoopTime last_refresh_{};
  std::optional<uv::LoopTime> refresh_at_;
  bool closed_ = false;
  std::minstd_rand random_{std::random_device{}()};
  Arrivals arrivals_;
  uv::Timer refresh_timer_;
  uv::Timer leave_timer_;
};

}  // namespace usher::redis
