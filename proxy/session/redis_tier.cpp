#include "proxy/session/redis_tier.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "proxy/base/check.h"
#include "proxy/base/clock.h"
#include "proxy/redis/node.h"
#include "proxy/redis/refusal.h"
#include "proxy/session/redis_answer.h"
#include "proxy/session/redis_key.h"
#include "proxy/session/redis_nodes.h"
#include "proxy/session/redis_writes.h"
#include "proxy/session/ticket_table.h"

namespace usher::session {
namespace {

using redis::Outcome;
using redis::Reply;
using Type = redis::Reply::Type;

constexpr redis::Expected kValue{
    static_cast<std::uint8_t>(Type::kString) | static_cast<std::uint8_t>(Type::kNil),
    4 * RedisTier::kValueMax};

// GETDEL for servers before 6.2: a script is atomic.
constexpr std::string_view kGetdelScript =
    "local value = redis.call('GET', KEYS[1]) if value then redis.call('UNLINK', KEYS[1]) end "
    "return value";

struct Lookup {
  RedisTier::OnValue on_value;  // null: cancelled, the answer is still to come
  std::array<std::byte, kNameSize> name{};
  bool once = false;
  bool redirected = false;
  redis::Node* node = nullptr;      // that was asked; outlives the answer
  redis::Breaker::Token token = 0;  // of its breaker
  uv::LoopTime deadline{};
  BootClock::time_point started{};
};

}  // namespace

CacheResult cache_result_of(RedisTier::Result result) {
  switch (result) {
    case RedisTier::Result::kHit:
      return CacheResult::kHit;
    case RedisTier::Result::kMiss:
      return CacheResult::kMiss;
    case RedisTier::Result::kTimeout:
      return CacheResult::kTimeout;
    case RedisTier::Result::kError:
      return CacheResult::kError;
    case RedisTier::Result::kLiar:
      return CacheResult::kLiar;
    case RedisTier::Result::kSkipped:
      return CacheResult::kSkipped;
  }
  return CacheResult::kError;
}

struct RedisTier::State {
  State(uv::Loop& on, Options wanted, RedisMetrics& redis_metrics, CacheMetrics& cache_metrics);

  void update_rows();
  void close();

  Ticket get(ByteView name, bool once, OnValue on_value);
  void send(Ticket ticket, const Lookup& lookup, bool ask);
  void on_reply(Ticket ticket, Outcome outcome, const Reply& reply);
  bool ask_again(Ticket ticket, Lookup& lookup, const std::string& error);
  bool try_send(Ticket ticket, Lookup& lookup, bool ask);
  void on_arrival(Ticket ticket, bool ask);

  uv::Loop& loop;
  const Options options;
  RedisMetrics& redis;
  TicketTable<Lookup> lookups{kLookupsMax};
  RedisNodes nodes;
  RedisWrites writes;
};

RedisTier::State::State(uv::Loop& on, Options wanted, RedisMetrics& redis_metrics,
                        CacheMetrics& cache_metrics)
    : loop(on),
      options(std::move(wanted)),
      redis(redis_metrics),
      nodes(loop, options.servers, options.cluster, {options.timeout, options.logs},
            [this] { update_rows(); }),
      writes(loop, nodes, options.timeout, cache_metrics) {
  update_rows();
}

void RedisTier::State::update_rows() {
  for (std::size_t i = 0; i < options.servers.size(); ++i) {
    const auto row = std::ranges::find(redis.nodes, options.servers[i].label,
                                       [](const auto& node) { return node->label; });
    CHECK(row != redis.nodes.end());
    (*row)->up.set(nodes.configured(i).up() ? 1 : 0);
    (*row)->breaker_open.set(nodes.configured(i).asked() ? 0 : 1);
  }
}

void RedisTier::State::close() {
  nodes.close();
  lookups.clear();
  writes.clear();
}

RedisTier::Ticket RedisTier::State::get(ByteView name, bool once, OnValue on_value) {
  CHECK(on_value);
  redis::Node* node = nodes.owner(RedisKey(name));
  if (node == nullptr || lookups.full()) {
    return 0;
  }
  loop.update_now();  // the deadline counts from here, not from the beginning of the turn
  Lookup lookup;
  lookup.token = node->admit();
  if (lookup.token == 0) {
    return 0;
  }
  lookup.on_value = std::move(on_value);
  std::ranges::copy(name, lookup.name.begin());
  lookup.once = once;
  lookup.node = node;
  lookup.deadline = loop.now() + options.timeout;
  lookup.started = BootClock::now();
  const Ticket ticket = lookups.add(std::move(lookup));
  send(ticket, *lookups.find(ticket), false);
  return ticket;
}

void RedisTier::State::send(Ticket ticket, const Lookup& lookup, bool ask) {
  const RedisKey key(lookup.name);
  redis::Connection& connection = lookup.node->connection();
  const std::chrono::milliseconds left = lookup.deadline - loop.now();
  redis::OnReply on_answer = [this, ticket](Outcome outcome, const Reply& reply) {
    on_reply(ticket, outcome, reply);
  };
  if (ask) {
    connection.command({"ASKING"}, kStatus, left, [](Outcome, const Reply&) {});
  }
  if (!lookup.once) {
    connection.command({"GET", key.view()}, kValue, left, std::move(on_answer));
  } else if (lookup.node->knows_getdel) {
    connection.command({"GETDEL", key.view()}, kValue, left, std::move(on_answer));
  } else {
    connection.command({"EVAL", kGetdelScript, "1", key.view()}, kValue, left,
                       std::move(on_answer));
  }
}

void RedisTier::State::on_reply(Ticket ticket, Outcome outcome, const Reply& reply) {
  Lookup* lookup = lookups.find(ticket);
  CHECK(lookup != nullptr);
  redis::Node* node = lookup->node;
  node->ended(lookup->token, is_answered(outcome, reply));
  const bool refused = outcome == Outcome::kRefused;
  if (refused && ask_again(ticket, *lookup, reply.text)) {
    return;
  }
  const Lookup ended = lookups.take(ticket);
  if (refused || outcome == Outcome::kReply) {
    redis.request_seconds.observe(BootClock::now() - ended.started);
  }
  if (ended.on_value) {
    ended.on_value(result_of(outcome, reply), bytes_of(refused ? "" : reply.text));
  }
  if (refused) {
    node->refused(redis::refusal_of(reply.text));
  }
}

// True: it is sent once more, and another answer follows. In any case a cluster's map learns of a
// redirection.
bool RedisTier::State::ask_again(Ticket ticket, Lookup& lookup, const std::string& error) {
  const auto elsewhere = nodes.follow(error, *lookup.node);
  if (elsewhere && !lookup.redirected) {
    lookup.node = elsewhere->node;
    lookup.redirected = true;
  } else if (!elsewhere && lookup.once && lookup.node->knows_getdel &&
             redis::refusal_of(error) == redis::Refusal::kUnknownCommand) {
    lookup.node->knows_getdel = false;
  } else {
    return false;
  }
  const bool ask = elsewhere && elsewhere->ask;
  return try_send(ticket, lookup, ask) ||
         (lookup.on_value && nodes.wait(*lookup.node, lookup.deadline,
                                        [this, ticket, ask] { on_arrival(ticket, ask); }));
}

bool RedisTier::State::try_send(Ticket ticket, Lookup& lookup, bool ask) {
  const bool wanted = lookup.on_value && lookup.deadline > loop.now();
  lookup.token = wanted ? lookup.node->admit() : 0;
  if (lookup.token == 0) {
    return false;
  }
  send(ticket, lookup, ask);
  return true;
}

// The node that it was sent on to is connected, or cannot be in time.
void RedisTier::State::on_arrival(Ticket ticket, bool ask) {
  Lookup* lookup = lookups.find(ticket);
  CHECK(lookup != nullptr);
  if (try_send(ticket, *lookup, ask)) {
    return;
  }
  const Lookup ended = lookups.take(ticket);
  if (ended.on_value) {
    ended.on_value(ended.deadline <= loop.now() ? Result::kTimeout : Result::kError, {});
  }
}

// --- the public face

RedisTier::RedisTier(uv::Loop& loop, Options options, RedisMetrics& redis, CacheMetrics& cache)
    : state_(std::make_unique<State>(loop, std::move(options), redis, cache)) {}

RedisTier::~RedisTier() {
  close();
}

RedisTier::Ticket RedisTier::get(ByteView name, bool once, OnValue on_value) {
  return state_->get(name, once, std::move(on_value));
}

void RedisTier::cancel(Ticket ticket) {
  if (Lookup* lookup = state_->lookups.find(ticket)) {
    lookup->on_value = nullptr;
  }
}

void RedisTier::set(ByteView name, ByteView value, std::chrono::milliseconds lifetime) {
  state_->writes.set(name, value, lifetime);
}

void RedisTier::remove(ByteView name) {
  state_->writes.remove(name);
}

void RedisTier::close() {
  state_->close();
}

}  // namespace usher::session
