#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "proxy/base/clock.h"
#include "proxy/base/secret.h"

namespace usher::keyring {

// Field sizes of a key in memory and on our wire (DESIGN §5): name 16 | AES-256 32 |
// HMAC-SHA-256 32.
inline constexpr std::size_t kNameSize = 16;
inline constexpr std::size_t kAesKeySize = 32;
inline constexpr std::size_t kHmacKeySize = 32;

// The key_name of RFC 5077 §4: public, in every ticket. Its first 8 bytes are masked (key_name.h).
using KeyName = std::array<std::byte, kNameSize>;

// How a ring uses a key. STYLE's words: keys are next / current / previous.
enum class KeyState : std::uint8_t { kNext, kCurrent, kPrevious };

// Ours are always kAes256. kAes128 is what 48-byte key files of nginx and HAProxy hold: AES-128 and
// a 16-byte HMAC-SHA-256 key, in the first half of the arrays.
enum class KeySize : std::uint8_t { kAes256, kAes128 };

// One session-ticket key. Immutable once in a ring; several rings share it.
struct TicketKey {
  KeyName name{};
  std::uint32_t epoch = 0;  // 0: a key of others, which has none
  KeySize size = KeySize::kAes256;
  Secret<kAesKeySize> aes;
  Secret<kHmacKeySize> hmac;
  BootClock::time_point created;  // a key's age counts from here

  std::span<const std::byte> aes_bytes() const {
    return aes.bytes().first(size == KeySize::kAes256 ? kAesKeySize : kAesKeySize / 2);
  }
  std::span<const std::byte> hmac_bytes() const {
    return hmac.bytes().first(size == KeySize::kAes256 ? kHmacKeySize : kHmacKeySize / 2);
  }
};

inline bool all_zero(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

using TicketKeyPtr = std::shared_ptr<const TicketKey>;

}  // namespace usher::keyring
