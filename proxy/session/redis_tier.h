#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/bytes.h"
#include "proxy/redis/url.h"
#include "proxy/session/cache_metrics.h"
#include "proxy/uv/loop.h"

namespace usher::session {

// The Redis tier of one worker: values by name (32 bytes), fetched within a deadline or not at all,
// stored without waiting. One server, or a cluster (redis/cluster.h). A circuit breaker per node:
// after failures in a row nothing is asked of it for a while, then one request probes. All that
// waits is bounded. Commands on `usher:s:<hex of the name>`: GET, SET PX, UNLINK, GETDEL
// (Redis 6.2; EVAL where it is not known), in a cluster CLUSTER and ASKING. What a cluster sends
// elsewhere (MOVED, ASK) is sent there once, a look-up within its deadline; a store that is refused
// for another reason (memory full, a read-only replica) is dropped and counted. Thread: the
// worker's loop. Owner: the worker's cache; callbacks may call all but the destructor.
class RedisTier {
 public:
  struct Options {
    std::vector<redis::Server> servers;  // one; of a cluster its seeds, database 0
    bool cluster = false;
    std::chrono::milliseconds timeout{20};  // from get() until on_value; a store's for its breaker
    bool logs = true;  // connections made and lost; one worker of a process is enough
  };
  enum class Result : std::uint8_t {
    kHit,
    kMiss,
    kTimeout,
    kError,    // refused, disconnected
    kLiar,     // an answer that the command cannot have; the connection was closed
    kSkipped,  // the breaker is open, nothing is connected, or too much waits
  };
  // Once, never inside get(). `value` lives through the call.
  using OnValue = std::function<void(Result result, ByteView value)>;
  using Ticket = std::uint64_t;  // of a get() under way; 0: none
  // Values above this are not stored; one that another program put there may be four times as long.
  static constexpr std::size_t kValueMax = 16 * std::size_t{1024};
  static constexpr std::size_t kLookupsMax = 4096;  // under way

  // Counts `cache.redis_stores` and all of `redis`, whose rows are there for the servers' labels;
  // look-ups are the caller's to count, who alone knows whether a value opens. Both outlive it.
  RedisTier(uv::Loop& loop, Options options, RedisMetrics& redis, CacheMetrics& cache);
  ~RedisTier();
  RedisTier(const RedisTier&) = delete;

  // 0: skipped at once, and on_value is not called.
  Ticket get(ByteView name, bool once, OnValue on_value);
  void cancel(Ticket ticket);  // on_value is not called; the reply, if any, is dropped
  void set(ByteView name, ByteView value, std::chrono::milliseconds lifetime);
  void remove(ByteView name);
  void close();  // for good; idempotent. No callback follows

 private:
  struct State;
  std::unique_ptr<State> state_;
};

CacheResult cache_result_of(RedisTier::Result result);  // as it is counted

}  // namespace usher::session
