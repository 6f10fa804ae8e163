#pragma once

#include <cstdint>

namespace usher {

// Spreads the bits of a value (the finaliser of SplitMix64): every bit of the input changes about
// half of the output. The same everywhere and for ever; no secret is in it, so whoever chooses the
// input can choose the output.
constexpr std::uint64_t mixed(std::uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

}  // namespace usher
