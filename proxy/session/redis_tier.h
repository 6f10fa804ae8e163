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
#include "proxy/uv/loop.h"

namespace usher::session {

// One worker's counts of the Redis tier. Thread: written by the worker, read by any.
struct RedisMetrics;

// The Redis tier of one worker: values by name (32 bytes), fetched within a deadline or not at all,
// stored without waiting. One server, or a cluster (several seed URLs: slot map, MOVED, ASK,
// failover). A circuit breaker per node: after failures or timeouts in a row nothing is asked for a
// while, then one request probes (half-open). Everything that waits is bounded. Commands: GET,
// GETDEL, SET PX, UNLINK on `usher:s:<hex of the name>`. Thread: the worker's loop. Owner: the
// worker's cache.
class RedisTier {
 public:
  struct Options {
    std::vector<redis::Server> servers;
    bool cluster = false;
    std::chrono::milliseconds timeout{20};
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

  RedisTier(uv::Loop& loop, Options options, RedisMetrics& metrics);
  ~RedisTier();
  RedisTier(const RedisTier&) = delete;

  // 0: skipped at once, and on_value is not called.
  Ticket get(ByteView name, bool once, OnValue on_value);
  void cancel(Ticket ticket);  // on_value is not called; the reply, if any, is dropped
  void set(ByteView name, ByteView value, std::chrono::milliseconds lifetime);
  void remove(ByteView name);
  void close();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace usher::session
