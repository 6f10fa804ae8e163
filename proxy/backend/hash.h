#pragma once

#include <cstdint>
#include <string_view>

#include "proxy/base/mix.h"

namespace usher::backend {

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
