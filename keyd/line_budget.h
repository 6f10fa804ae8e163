#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>

#include "proxy/base/clock.h"
#include "proxy/base/log.h"

namespace usher::keyd {

// For log lines that subscribers cause by coming and going, which each may do as often as it likes:
// enough at once for hundreds of proxies that come back, few in the long run. Lines beyond that are
// left out, counted and told as one. Thread: one. Owner: whoever writes the lines.
class LineBudget {
 public:
  static constexpr double kAtOnce = 5000;  // a few for each of a thousand proxies
  static constexpr double kASecond = 20;

  // Whether the line may be written.
  bool spend(BootClock::time_point now) {
    const std::chrono::duration<double> since = now - refilled_;
    left_ = std::min(kAtOnce, left_ + kASecond * since.count());
    refilled_ = now;
    if (left_ < 1) {
      ++left_out_;
      return false;
    }
    left_ -= 1;
    if (left_out_ > 0) {
      log::warning("subscribers come and go too often; lines about them were left out",
                   {{"lines", std::exchange(left_out_, 0)}});
    }
    return true;
  }
  std::uint64_t left_out() const { return left_out_; }  // since it was told last

 private:
  double left_ = kAtOnce;
  BootClock::time_point refilled_{};
  std::uint64_t left_out_ = 0;
};

}  // namespace usher::keyd
