#include "proxy/session/redis_writes.h"

#include <algorithm>
#include <utility>

#include "proxy/base/check.h"
#include "proxy/session/redis_answer.h"

namespace usher::session {
namespace {

using Type = redis::Reply::Type;

// A write is dropped when so much waits for its node: a second's worth of new sessions of a busy
// worker, and memory that a frozen server may cost.
constexpr std::size_t kWaitingMax = 2048;
constexpr std::size_t kOutputBytesMax = std::size_t{1024} * 1024;
// Of all nodes together.
constexpr std::size_t kWritesMax = 8192;
// Values kept for a redirection; what is beyond is stored all the same, but not sent on.
constexpr std::size_t kKeptBytesMax = std::size_t{1024} * 1024;

constexpr redis::Expected kCount = redis::Expected::one_of(Type::kInteger);

bool has_room(const redis::Connection& connection) {
  return connection.waiting() < kWaitingMax && connection.output_bytes() < kOutputBytesMax;
}

}  // namespace

RedisWrites::RedisWrites(uv::Loop& loop, RedisNodes& nodes, std::chrono::milliseconds timeout,
                         CacheMetrics& cache)
    : loop_(loop), nodes_(nodes), timeout_(timeout), cache_(cache), writes_(kWritesMax) {}

void RedisWrites::set(ByteView name, ByteView value, std::chrono::milliseconds lifetime) {
  loop_.update_now();  // time counts from here, not from the beginning of the turn
  Write write;
  std::ranges::copy(name, write.name.begin());
  write.stores = true;
  write.until = loop_.now() + lifetime;
  if (value.size() > RedisTier::kValueMax || lifetime.count() <= 0 ||
      !begin(std::move(write), value)) {
    cache_.redis_stores[static_cast<std::size_t>(CacheResult::kSkipped)].add();
  }
}

void RedisWrites::remove(ByteView name) {
  loop_.update_now();
  Write write;
  std::ranges::copy(name, write.name.begin());
  (void)begin(std::move(write), {});
}

// False: not now.
bool RedisWrites::begin(Write write, ByteView value) {
  write.node = nodes_.owner(RedisKey(write.name));
  if (write.node == nullptr || writes_.full() || !has_room(write.node->connection())) {
    return false;
  }
  write.token = write.node->admit();
  if (write.token == 0) {
    return false;
  }
  if (nodes_.is_cluster() && kept_bytes_ + value.size() <= kKeptBytesMax) {
    write.value.assign(value.begin(), value.end());
    kept_bytes_ += value.size();
  }
  const Ticket ticket = writes_.add(std::move(write));
  send(ticket, *writes_.find(ticket), value, false);
  return true;
}

void RedisWrites::send(Ticket ticket, const Write& write, ByteView value, bool ask) {
  const RedisKey key(write.name);
  redis::Connection& connection = write.node->connection();
  redis::OnReply on_answer = [this, ticket](redis::Outcome outcome, const redis::Reply& reply) {
    on_reply(ticket, outcome, reply);
  };
  if (ask) {
    connection.command({"ASKING"}, kStatus, timeout_, [](redis::Outcome, const redis::Reply&) {});
  }
  if (write.stores) {
    const std::string lifetime = std::to_string((write.until - loop_.now()).count());
    connection.command({"SET", key.view(), text_of(value), "PX", lifetime}, kStatus, timeout_,
                       std::move(on_answer));
  } else {
    connection.command({"UNLINK", key.view()}, kCount, timeout_, std::move(on_answer));
  }
}

void RedisWrites::on_reply(Ticket ticket, redis::Outcome outcome, const redis::Reply& reply) {
  Write* write = writes_.find(ticket);
  CHECK(write != nullptr);
  redis::Node& node = *write->node;
  node.ended(write->token, is_answered(outcome, reply));
  const bool refused = outcome == redis::Outcome::kRefused;
  if (refused && send_on(ticket, *write, reply.text)) {
    return;
  }
  end(ticket, cache_result_of(result_of(outcome, reply)));
  if (refused) {
    node.refused(redis::refusal_of(reply.text));
  }
}

// True: it was sent elsewhere, and another answer follows.
bool RedisWrites::send_on(Ticket ticket, Write& write, const std::string& error) {
  const auto elsewhere = nodes_.follow(error, *write.node);
  if (!elsewhere || write.redirected || (write.stores && write.value.empty())) {
    return false;
  }
  write.redirected = true;
  write.node = elsewhere->node;
  const bool ask = elsewhere->ask;
  return try_send(ticket, write, ask) ||
         nodes_.wait(*write.node, loop_.now() + timeout_,
                     [this, ticket, ask] { on_arrival(ticket, ask); });
}

bool RedisWrites::try_send(Ticket ticket, Write& write, bool ask) {
  const bool over = write.stores && write.until <= loop_.now();
  write.token = over || !has_room(write.node->connection()) ? 0 : write.node->admit();
  if (write.token == 0) {
    return false;
  }
  send(ticket, write, write.value, ask);
  return true;
}

void RedisWrites::on_arrival(Ticket ticket, bool ask) {
  Write* write = writes_.find(ticket);
  CHECK(write != nullptr);
  if (!try_send(ticket, *write, ask)) {
    end(ticket, CacheResult::kError);
  }
}

void RedisWrites::end(Ticket ticket, CacheResult result) {
  const Write ended = writes_.take(ticket);
  kept_bytes_ -= ended.value.size();
  if (ended.stores) {
    cache_.redis_stores[static_cast<std::size_t>(result)].add();
  }
}

}  // namespace usher::session
