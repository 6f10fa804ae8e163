#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "proxy/uv/loop.h"
#include "proxy/uv/timer.h"

namespace usher::redis {

class Node;

// Requests that were sent on to a node which is still connecting for the first time: each waits for
// that, until its own deadline. Thread: the loop's. Owner: a Cluster, whose nodes outlive the
// waits.
class Arrivals {
 public:
  // Once, from the loop: the node takes commands (Node::up()), the attempt failed, or the time is
  // up. It may wait again, and close().
  using OnArrival = std::function<void()>;
  static constexpr std::size_t kWaitingMax = 4096;

  explicit Arrivals(uv::Loop& loop);

  // False, and nothing will be called: the node is not arriving(), or too much waits.
  bool wait(const Node& node, uv::LoopTime until, OnArrival on_arrival);
  void on_node_change();  // some node's up() or arriving() may have changed
  void close();           // for good; idempotent. No callback follows

 private:
  struct Waiting {
    const Node* node;
    uv::LoopTime until;
    OnArrival on_arrival;
  };

  bool is_over(const Waiting& waiting) const;
  void on_timer();
  void arm();

  uv::Loop& loop_;
  std::vector<Waiting> waiting_;
  uv::Timer timer_;  // of the earliest deadline
  bool closed_ = false;
};

}  // namespace usher::redis
