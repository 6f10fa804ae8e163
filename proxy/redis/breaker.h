#pragma once

#include <chrono>
#include <cstdint>
#include <random>

#include "proxy/uv/loop.h"

namespace usher::redis {

// A circuit breaker: after failures in a row requests are refused for a while (open), then one is
// let through (half-open) whose end decides: answered closes it, failed opens it for twice as long.
// Pure: time and randomness are arguments. Thread: one. Owner: a Node.
class Breaker {
 public:
  struct Options {
    unsigned failures_max = 5;  // in a row; fewer would open it for one lost segment
    // How long it stays open: doubles from min to max, the second half of it at random, so that the
    // workers of a fleet do not probe at once.
    std::chrono::milliseconds open_min{100};
    std::chrono::milliseconds open_max{5000};
  };
  using Token = std::uint64_t;  // of an admitted request; 0: refused

  Breaker() = default;
  explicit Breaker(Options options) : options_(options) {}

  // Whoever is admitted says how it ended, or an open breaker stays so for ever.
  Token admit(uv::LoopTime now);
  // What was admitted before the breaker last changed is of no consequence any more.
  void ended(Token token, bool answered, uv::LoopTime now, std::minstd_rand& random);

  bool closed() const { return state_ == State::kClosed; }

 private:
  enum class State : std::uint8_t { kClosed, kOpen, kHalfOpen };

  void enter(State state, uv::LoopTime now);
  void open(uv::LoopTime now, std::minstd_rand& random);

  Options options_;
  State state_ = State::kClosed;
  Token era_ = 1;  // rises with each change of state
  unsigned failures_ = 0;
  std::chrono::milliseconds open_for_{0};  // before jitter; 0: not opened yet
  uv::LoopTime open_until_{};
  uv::LoopTime closed_since_{};
};

}  // namespace usher::redis
