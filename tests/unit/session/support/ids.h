#pragma once

#include <array>
#include <cstdint>

#include "proxy/base/bytes.h"
#include "proxy/base/clock.h"

namespace usher::session::test {

inline constexpr BootClock::time_point kNow{std::chrono::hours(1000)};
inline constexpr BootClock::time_point kLater = kNow + std::chrono::hours(6);

// What looks like an id of ours: one selector, then bytes that follow from the number.
inline std::array<std::byte, 32> id_of(std::uint32_t number) {
  std::array<std::byte, 32> id{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
  std::uint64_t state = number + 1ULL;
  for (std::size_t i = 4; i < id.size(); ++i) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    id[i] = static_cast<std::byte>(state >> 56);
  }
  return id;
}

}  // namespace usher::session::test
