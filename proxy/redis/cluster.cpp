#include "proxy/redis/cluster.h"

#include <algorithm>
#include <utility>

#include "proxy/base/check.h"
#include "proxy/base/log.h"

namespace usher::redis {
namespace {

using std::chrono::milliseconds;

// Between two requests for the map while something is wrong: a failover takes seconds.
constexpr milliseconds kRefreshMin{100};
constexpr milliseconds kRefreshMax{1000};
// While all is well: a master without slots that gets some is known before.
constexpr milliseconds kRefreshIdle{60'000};
constexpr milliseconds kSlotsTimeout{500};
// Longer than any command may take (redis_timeout is 10 s at most): none is cut off because the map
// changed.
constexpr milliseconds kLeaveAfter{15000};
// Redirections lead to masters that the next map names; more are no cluster.
constexpr std::size_t kRedirectedNodesMax = 64;

NodeAddress address_of(const Server& server) {
  return server.unix_path.empty() ? NodeAddress{server.host, server.port}
                                  : NodeAddress{server.unix_path, 0};
}

}  // namespace

Cluster::Cluster(uv::Loop& loop, std::vector<Server> seeds, Node::Options options,
                 OnChange on_change)
    : loop_(loop),
      options_(options),
      on_change_(std::move(on_change)),
      pattern_(seeds.at(0)),
      pause_(kRefreshMin),
      arrivals_(loop) {
  refresh_timer_.open<&Cluster::on_refresh_timer>(loop_, *this);
  leave_timer_.open<&Cluster::on_leave_timer>(loop_, *this);
  for (Server& seed : seeds) {
    CHECK(seed.database == 0);
    std::unique_ptr<Node>& node = nodes_[address_of(seed)];
    if (!node) {
      node = std::make_unique<Node>(loop_, std::move(seed), options_, [this] { on_node_change(); });
    }
    seeds_.push_back(node.get());
  }
}

void Cluster::open() {
  for (const auto& [address, node] : nodes_) {
    node->open();
  }
}

void Cluster::close() {
  closed_ = true;
  refresh_timer_.close();
  leave_timer_.close();
  arrivals_.close();
  for (const auto& [address, node] : nodes_) {
    node->close();
  }
  for (const Leaving& leaving : leaving_) {
    leaving.node->close();
  }
}

Node& Cluster::node_at(const NodeAddress& address) {
  std::unique_ptr<Node>& node = nodes_[address];
  if (!node) {
    Server server = pattern_;
    server.unix_path.clear();
    server.host = address.host;
    server.port = address.port;
    const bool is_ipv6 = address.host.find(':') != std::string::npos;
    server.label = "redis://" + (is_ipv6 ? "[" + address.host + "]" : address.host) + ":" +
                   std::to_string(address.port) + "/0";
    node = std::make_unique<Node>(loop_, std::move(server), options_, [this] { on_node_change(); });
    node->open();
  }
  return *node;
}

Node* Cluster::follow(const Redirect& redirect, const Node& from) {
  const NodeAddress address{redirect.host.empty() ? from.server().host : redirect.host,
                            redirect.port};
  if (closed_ || address.host.empty()) {
    return nullptr;
  }
  if (!nodes_.contains(address) && ++redirected_nodes_ > kRedirectedNodesMax) {
    return nullptr;
  }
  Node& node = node_at(address);
  if (!redirect.ask) {
    owners_[redirect.slot] = &node;
    refresh_within(jittered(kRefreshMin));
  }
  return &node;
}

// --- the map

bool Cluster::settled() const {
  return has_map_ && complete_ &&
         std::ranges::all_of(masters_, [](const Node* node) { return node->asked(); });
}

void Cluster::on_node_change() {
  if (closed_) {
    return;
  }
  if (!settled()) {
    refresh_within(has_map_ ? jittered(pause_) : milliseconds(0));
  }
  arrivals_.on_node_change();
  on_change_();
}

// Sooner than planned only. Nobody makes requests follow each other faster than kRefreshMin allows.
void Cluster::refresh_within(milliseconds delay) {
  const uv::LoopTime at = std::max(loop_.now() + delay, last_refresh_ + kRefreshMin);
  if (!refresh_at_ || at < *refresh_at_) {
    refresh_at_ = at;
    refresh_timer_.start(at - loop_.now());
  }
}

void Cluster::on_refresh_timer() {
  refresh_at_.reset();
  if (asking_) {
    refresh_within(kRefreshMin);  // what is told now may be older than the wish
    return;
  }
  last_refresh_ = loop_.now();
  Node* node = next_to_ask();
  if (node == nullptr) {
    return;  // the first that is up brings it about
  }
  asking_ = true;
  node->connection().command(
      {"CLUSTER", "SLOTS"}, kSlotsExpected, kSlotsTimeout,
      [this, node](Outcome outcome, const Reply& reply) { on_slots(outcome, reply, *node); });
}

// In turn; one that is asked without reserve, else one that is at least connected.
Node* Cluster::next_to_ask() {
  Node* second_choice = nullptr;
  auto next = nodes_.upper_bound(last_asked_);
  for (std::size_t i = 0; i < nodes_.size(); ++i, ++next) {
    next = next == nodes_.end() ? nodes_.begin() : next;
    if (next->second->asked()) {
      last_asked_ = next->first;
      return next->second.get();
    }
    if (next->second->up() && second_choice == nullptr) {
      second_choice = next->second.get();
    }
  }
  if (second_choice != nullptr) {
    last_asked_ = address_of(second_choice->server());
  }
  return second_choice;
}

void Cluster::on_slots(Outcome outcome, const Reply& reply, Node& asked) {
  asking_ = false;
  if (outcome == Outcome::kRefused && options_.logs && !has_map_) {
    log::warning("redis has no slot map",
                 {{"node", asked.server().label}, {"error", reply.text.substr(0, 200)}});
  }
  if (outcome == Outcome::kReply) {
    const auto map = parse_slots(reply, asked.server().host);
    if (map && !map->masters.empty()) {
      adopt(*map);
    } else if (!map) {
      asked.connection().reconnect("CLUSTER SLOTS is not answered as Redis does");
    }
  }
  const bool well = settled();
  refresh_within(jittered(well ? kRefreshIdle : pause_));
  pause_ = well ? kRefreshMin : std::min(kRefreshMax, pause_ * 2);
}

void Cluster::adopt(const SlotMap& map) {
  if (leaving_.size() > SlotMap::kMastersMax) {
    return;  // a cluster that is another each time is none
  }
  masters_.clear();
  for (const NodeAddress& address : map.masters) {
    masters_.push_back(&node_at(address));
  }
  for (std::size_t slot = 0; slot < kSlots; ++slot) {
    const std::uint16_t owner = map.owners[slot];
    owners_[slot] = owner == SlotMap::kNobody ? nullptr : masters_[owner];
  }
  has_map_ = true;
  complete_ = map.complete;
  redirected_nodes_ = 0;
  dismiss_unnamed();
}

// Commands of theirs may be under way, and one of them may be running this.
void Cluster::dismiss_unnamed() {
  std::vector<const Node*> named(masters_.begin(), masters_.end());
  named.insert(named.end(), seeds_.begin(), seeds_.end());
  std::ranges::sort(named);
  for (auto entry = nodes_.begin(); entry != nodes_.end();) {
    if (std::ranges::binary_search(named, entry->second.get())) {
      ++entry;
      continue;
    }
    leaving_.push_back({std::move(entry->second), loop_.now() + kLeaveAfter});
    entry = nodes_.erase(entry);
  }
  if (!leaving_.empty() && !leave_timer_.active()) {
    leave_timer_.start(kLeaveAfter);
  }
}

void Cluster::on_leave_timer() {
  std::erase_if(leaving_, [this](const Leaving& gone) { return gone.until <= loop_.now(); });
  if (!leaving_.empty()) {
    leave_timer_.start(leaving_.front().until - loop_.now());
  }
}

milliseconds Cluster::jittered(milliseconds longest) {
  std::uniform_int_distribution<std::int64_t> second_half(longest.count() / 2, longest.count());
  return milliseconds(second_half(random_));
}

}  // namespace usher::redis
