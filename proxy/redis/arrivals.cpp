#include "proxy/redis/arrivals.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "proxy/redis/node.h"

namespace usher::redis {

Arrivals::Arrivals(uv::Loop& loop) : loop_(loop) {
  timer_.open<&Arrivals::on_timer>(loop_, *this);
}

bool Arrivals::wait(const Node& node, uv::LoopTime until, OnArrival on_arrival) {
  if (closed_ || !node.arriving() || waiting_.size() >= kWaitingMax) {
    return false;
  }
  waiting_.push_back({&node, until, std::move(on_arrival)});
  arm();
  return true;
}

bool Arrivals::is_over(const Waiting& waiting) const {
  return !waiting.node->arriving() || waiting.until <= loop_.now();
}

// Not at once: this may run inside another request's end.
void Arrivals::on_node_change() {
  if (!closed_ &&
      std::ranges::any_of(waiting_, [this](const Waiting& each) { return is_over(each); })) {
    timer_.start(std::chrono::milliseconds(0));
  }
}

void Arrivals::on_timer() {
  const auto over = std::stable_partition(waiting_.begin(), waiting_.end(),
                                          [this](const Waiting& each) { return !is_over(each); });
  std::vector<Waiting> told(std::make_move_iterator(over), std::make_move_iterator(waiting_.end()));
  waiting_.erase(over, waiting_.end());
  arm();
  for (const Waiting& waiting : told) {
    if (closed_) {
      return;
    }
    waiting.on_arrival();
  }
}

void Arrivals::arm() {
  if (waiting_.empty()) {
    return;
  }
  const auto first =
      std::min_element(waiting_.begin(), waiting_.end(),
                       [](const Waiting& a, const Waiting& b) { return a.until < b.until; });
  timer_.start(std::max(first->until - loop_.now(), std::chrono::milliseconds(0)));
}

void Arrivals::close() {
  closed_ = true;
  waiting_.clear();
  timer_.close();
}

}  // namespace usher::redis
