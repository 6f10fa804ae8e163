#include "proxy/session/redis_tier.h"

#include <algorithm>
#include <string>
#include <utility>

#include "proxy/base/check.h"
#include "proxy/redis/cluster.h"
#include "proxy/redis/node.h"
#include "proxy/redis/refusal.h"
#include "proxy/redis/slot.h"
#include "proxy/session/cache_metrics.h"
#include "proxy/session/lookup_table.h"
#include "proxy/session/redis_key.h"

namespace usher::session {
namespace {

using redis::Outcome;
using redis::Refusal;
using redis::Reply;
using Type = redis::Reply::Type;

// A store is dropped when so much waits for one node: a second's worth of new sessions of a busy
// worker, and memory that a frozen server may cost.
constexpr std::size_t kWaitingMax = 2048;
constexpr std::size_t kOutputBytesMax = std::size_t{1024} * 1024;

constexpr redis::Expected kStatus = redis::Expected::one_of(Type::kStatus);
constexpr redis::Expected kCount = redis::Expected::one_of(Type::kInteger);
constexpr redis::Expected kValue{
    static_cast<std::uint8_t>(Type::kString) | static_cast<std::uint8_t>(Type::kNil),
    4 * RedisTier::kValueMax};

// GETDEL for servers before 6.2: a script is atomic.
constexpr std::string_view kGetdelScript =
    "local value = redis.call('GET', KEYS[1]) if value then redis.call('UNLINK', KEYS[1]) end "
    "return value";

// Whether the server can serve: what it refuses for this key or for want of memory it refuses at
// once, and that is no reason not to ask.
bool is_answered(Outcome outcome, const Reply& reply) {
  if (outcome != Outcome::kRefused) {
    return outcome == Outcome::kReply;
  }
  const Refusal refusal = redis::refusal_of(reply.text);
  return refusal != Refusal::kUnwell && refusal != Refusal::kSignedOut;
}

RedisTier::Result result_of(Outcome outcome, const Reply& reply) {
  switch (outcome) {
    case Outcome::kReply:
      return reply.is(Type::kNil) ? RedisTier::Result::kMiss : RedisTier::Result::kHit;
    case Outcome::kMalformed:
      return RedisTier::Result::kLiar;
    case Outcome::kTimeout:
      return RedisTier::Result::kTimeout;
    case Outcome::kRefused:
    case Outcome::kDisconnected:
      return RedisTier::Result::kError;
    case Outcome::kNotConnected:
    case Outcome::kFull:
      return RedisTier::Result::kSkipped;
  }
  return RedisTier::Result::kError;
}

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

// Nodes outlive their commands (or close them), so that what a command carries may point to them.
struct RedisTier::State {
  State(uv::Loop& on, Options wanted, RedisMetrics& redis_metrics, CacheMetrics& cache_metrics);

  redis::Node* node_of(const RedisKey& key);
  redis::Node& configured(std::size_t index) { return single ? *single : cluster->seed(index); }
  void update_rows();

  Ticket get(ByteView name, bool once, OnValue on_value);
  void send(Ticket ticket, const Lookup& lookup, bool ask);
  void on_reply(Ticket ticket, Outcome outcome, const Reply& reply);
  bool ask_again(Ticket ticket, Lookup& lookup, const std::string& error);
  redis::Node* redirected(const Lookup& lookup, const redis::Redirect& redirect);

  void set(const RedisKey& key, std::string_view value, std::chrono::milliseconds lifetime);
  void remove(const RedisKey& key);
  // Null: not now.
  redis::Node* admit_write(const RedisKey& key, redis::Breaker::Token& token);
  void on_written(redis::Node& node, redis::Breaker::Token token, Outcome outcome,
                  const Reply& reply);
  void count_store(Result result);
  void close();

  uv::Loop& loop;
  const Options options;
  RedisMetrics& redis;
  CacheMetrics& cache;
  LookupTable lookups{kLookupsMax};
  bool closed = false;
  std::unique_ptr<redis::Node> single;  // one of these two
  std::unique_ptr<redis::Cluster> cluster;
};

RedisTier::State::State(uv::Loop& on, Options wanted, RedisMetrics& redis_metrics,
                        CacheMetrics& cache_metrics)
    : loop(on), options(std::move(wanted)), redis(redis_metrics), cache(cache_metrics) {
  CHECK(!options.servers.empty() && (options.cluster || options.servers.size() == 1));
  if (options.cluster) {
    cluster = std::make_unique<redis::Cluster>(loop, options.servers, options.logs,
                                               [this] { update_rows(); });
    cluster->open();
  } else {
    single = std::make_unique<redis::Node>(loop, options.servers.front(), options.logs,
                                           [this] { update_rows(); });
    single->open();
  }
  update_rows();
}

redis::Node* RedisTier::State::node_of(const RedisKey& key) {
  return single ? single.get() : cluster->owner(redis::slot_of(key.view()));
}

void RedisTier::State::update_rows() {
  for (std::size_t i = 0; i < options.servers.size(); ++i) {
    const auto row = std::ranges::find(redis.nodes, options.servers[i].label,
                                       [](const auto& node) { return node->label; });
    CHECK(row != redis.nodes.end());
    (*row)->up.set(configured(i).up() ? 1 : 0);
    (*row)->breaker_open.set(configured(i).asked() ? 0 : 1);
  }
}

void RedisTier::State::close() {
  closed = true;
  if (single) {
    single->close();
  }
  if (cluster) {
    cluster->close();
  }
  lookups.clear();
}

// --- look-ups

RedisTier::Ticket RedisTier::State::get(ByteView name, bool once, OnValue on_value) {
  CHECK(on_value);
  redis::Node* node = closed ? nullptr : node_of(RedisKey(name));
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

// True: it was sent once more, and another answer follows.
bool RedisTier::State::ask_again(Ticket ticket, Lookup& lookup, const std::string& error) {
  bool ask = false;
  if (const auto redirect = redis::parse_redirect(error)) {
    redis::Node* node = redirected(lookup, *redirect);
    if (node == nullptr) {
      return false;
    }
    lookup.node = node;
    lookup.redirected = true;
    ask = redirect->ask;
  } else if (lookup.once && lookup.node->knows_getdel &&
             redis::refusal_of(error) == Refusal::kUnknownCommand) {
    lookup.node->knows_getdel = false;
  } else {
    return false;
  }
  if (!lookup.on_value || lookup.deadline <= loop.now()) {
    return false;
  }
  lookup.token = lookup.node->admit();
  if (lookup.token == 0) {
    return false;
  }
  send(ticket, lookup, ask);
  return true;
}

// The map learns of the redirection in any case; null: this look-up does not follow it.
redis::Node* RedisTier::State::redirected(const Lookup& lookup, const redis::Redirect& redirect) {
  redis::Node* node = cluster ? cluster->follow(redirect, *lookup.node) : nullptr;
  return lookup.redirected ? nullptr : node;
}

// --- stores

redis::Node* RedisTier::State::admit_write(const RedisKey& key, redis::Breaker::Token& token) {
  redis::Node* node = closed ? nullptr : node_of(key);
  if (node == nullptr || node->connection().waiting() >= kWaitingMax ||
      node->connection().output_bytes() >= kOutputBytesMax) {
    return nullptr;
  }
  loop.update_now();
  token = node->admit();
  return token == 0 ? nullptr : node;
}

void RedisTier::State::set(const RedisKey& key, std::string_view value,
                           std::chrono::milliseconds lifetime) {
  redis::Breaker::Token token = 0;
  redis::Node* node =
      value.size() <= kValueMax && lifetime.count() > 0 ? admit_write(key, token) : nullptr;
  if (node == nullptr) {
    count_store(Result::kSkipped);
    return;
  }
  node->connection().command({"SET", key.view(), value, "PX", std::to_string(lifetime.count())},
                             kStatus, options.timeout,
                             [this, node, token](Outcome outcome, const Reply& reply) {
                               count_store(result_of(outcome, reply));
                               on_written(*node, token, outcome, reply);
                             });
}

void RedisTier::State::remove(const RedisKey& key) {
  redis::Breaker::Token token = 0;
  redis::Node* node = admit_write(key, token);
  if (node != nullptr) {
    node->connection().command({"UNLINK", key.view()}, kCount, options.timeout,
                               [this, node, token](Outcome outcome, const Reply& reply) {
                                 on_written(*node, token, outcome, reply);
                               });
  }
}

void RedisTier::State::on_written(redis::Node& node, redis::Breaker::Token token, Outcome outcome,
                                  const Reply& reply) {
  node.ended(token, is_answered(outcome, reply));
  if (outcome != Outcome::kRefused) {
    return;
  }
  if (const auto redirect = redis::parse_redirect(reply.text); redirect && cluster) {
    (void)cluster->follow(*redirect, node);
  }
  node.refused(redis::refusal_of(reply.text));
}

void RedisTier::State::count_store(Result result) {
  cache.redis_stores[static_cast<std::size_t>(cache_result_of(result))].add();
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
  state_->set(RedisKey(name), text_of(value), lifetime);
}

void RedisTier::remove(ByteView name) {
  state_->remove(RedisKey(name));
}

void RedisTier::close() {
  state_->close();
}

}  // namespace usher::session
