#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/bytes.h"
#include "proxy/redis/node.h"
#include "proxy/redis/reply.h"
#include "proxy/session/cache_metrics.h"
#include "proxy/session/redis_nodes.h"
#include "proxy/session/session_keys.h"
#include "proxy/session/ticket_table.h"
#include "proxy/uv/loop.h"

namespace usher::session {

// What a Redis tier stores and removes: pipelined, never waited for. One that a cluster sends
// elsewhere is sent there, once; any other refusal (memory full, a read-only replica) drops it. All
// that waits is bounded. Thread: the loop's. Owner: the tier.
class RedisWrites {
 public:
  // `timeout`: an answer that takes longer counts as a failure of its node. Counts
  // `cache.redis_stores`. All outlive it.
  RedisWrites(uv::Loop& loop, RedisNodes& nodes, std::chrono::milliseconds timeout,
              CacheMetrics& cache);
  RedisWrites(const RedisWrites&) = delete;

  void set(ByteView name, ByteView value, std::chrono::milliseconds lifetime);
  void remove(ByteView name);
  void clear() { writes_.clear(); }  // the nodes are closed

 private:
  using Ticket = std::uint64_t;
  struct Write {
    std::array<std::byte, kNameSize> name{};
    bool stores = false;  // or removes
    bool redirected = false;
    std::vector<std::byte> value;  // kept while a cluster may send the store elsewhere
    uv::LoopTime until{};          // the stored value's end
    redis::Node* node = nullptr;   // that it was sent to; outlives the answer
    redis::Breaker::Token token = 0;
  };

  bool begin(Write write, ByteView value);
  void send(Ticket ticket, const Write& write, ByteView value, bool ask);
  void on_reply(Ticket ticket, redis::Outcome outcome, const redis::Reply& reply);
  bool send_on(Ticket ticket, Write& write, const std::string& error);
  bool try_send(Ticket ticket, Write& write, bool ask);
  void on_arrival(Ticket ticket, bool ask);
  void end(Ticket ticket, CacheResult result);

  uv::Loop& loop_;
  RedisNodes& nodes_;
  const std::chrono::milliseconds timeout_;
  CacheMetrics& cache_;
  TicketTable<Write> writes_;
  std::size_t kept_bytes_ = 0;  // of all values kept
};

}  // namespace usher::session
