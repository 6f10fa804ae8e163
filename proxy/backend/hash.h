#pragma once

#include <cstdint>
#include <string_view>

namespace usher::backend {

// Spreads the bits of a value (the finaliser of SplitMix64): every bit of the input changes about
// half of the output.
constexpr std::uint64_t mixed(std::uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

// The key of hash balancing, of a client's address or a field's value (FNV-1a and the above). The
// same in every process and on every machine, so that all proxies of a fleet choose alike; no
// protection against clients that look for collisions: they could as well repeat one value.
constexpr std::uint64_t hash_of(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char byte : bytes) {
    hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  }
  return mixed(hash);
}

}  // namespace usher::backend
