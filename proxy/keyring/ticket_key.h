#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

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

// One session-ticket key. Immutable once in a ring; several rings share it.
struct TicketKey {
  KeyName name{};
  std::uint32_t epoch = 0;
  Secret<kAesKeySize> aes;
  Secret<kHmacKeySize> hmac;
  BootClock::time_point created;  // a key's age counts from here
};

using TicketKeyPtr = std::shared_ptr<const TicketKey>;

}  // namespace usher::keyring
