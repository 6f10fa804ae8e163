#pragma once

#include <chrono>
#include <functional>
#include <utility>

#include "proxy/uv/loop.h"
#include "proxy/uv/timer.h"

namespace usher::server::test {

// Runs the real loop until `holds`, looked at every millisecond; false after a minute, so that a
// failure does not hang and a busy machine is none.
class RunUntil {
 public:
  RunUntil(uv::Loop& loop, std::function<bool()> holds) : loop_(loop), holds_(std::move(holds)) {
    timer_.open<&RunUntil::look>(loop_, *this);
    timer_.start(std::chrono::milliseconds(0));
    loop_.run();
  }
  bool held() const { return held_; }

 private:
  void look() {
    held_ = holds_();
    if (held_ || std::chrono::steady_clock::now() - begun_ > std::chrono::minutes(1)) {
      loop_.stop();
      return;
    }
    timer_.start(std::chrono::milliseconds(1));
  }

  uv::Loop& loop_;
  const std::function<bool()> holds_;
  const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  bool held_ = false;
  uv::Timer timer_;
};

inline bool run_until(uv::Loop& loop, std::function<bool()> holds) {
  return RunUntil(loop, std::move(holds)).held();
}

// For what must not happen: the loop's turns of a while.
inline void run_for(uv::Loop& loop, std::chrono::milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  (void)run_until(loop, [end] { return std::chrono::steady_clock::now() >= end; });
}

}  // namespace usher::server::test
