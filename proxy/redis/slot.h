#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace usher::redis {

inline constexpr std::size_t kSlots = 16384;

// CRC-16/XMODEM (polynomial 0x1021, from 0), as the Redis cluster specification has it.
std::uint16_t crc16(std::string_view bytes);

// The slot of a key without a hash tag ("{…}").
inline std::uint16_t slot_of(std::string_view key) {
  return crc16(key) % kSlots;
}

}  // namespace usher::redis
