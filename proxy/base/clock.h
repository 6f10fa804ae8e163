#pragma once

#include <ctime>

#include <chrono>

namespace usher {

// CLOCK_BOOTTIME: monotonic and running while the machine sleeps, so that a key's age is its real
// age (DESIGN §5). Pure parts take a time_point as an argument and never read a clock.
struct BootClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;

  static time_point now() {
    timespec time{};
    ::clock_gettime(CLOCK_BOOTTIME, &time);
    return time_point(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
  }
};

// Whole seconds since 1970, as TLS sessions count them (SSL_SESSION_get_time).
using UnixSeconds = std::chrono::sys_seconds;

inline UnixSeconds unix_now() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

}  // namespace usher
