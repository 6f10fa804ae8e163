#pragma once

#include <algorithm>
#include <memory>
#include <string>

#include "proxy/keyring/key_ring.h"
#include "proxy/keyring/rotation.h"

// Keys and randomness that can be told apart by eye. Pure: no clock, no generator.
namespace usher::keyring::test {

using namespace std::chrono_literals;

inline constexpr BootClock::time_point kStart{1000h};
inline constexpr AgePolicy kPolicy{3h, 9h};

// Every call fills with the next number, so no two results are equal.
inline RandomSource counting(unsigned first = 1) {
  return [next = first](std::span<std::byte> into) mutable {
    std::ranges::fill(into, static_cast<std::byte>(next++));
    return true;
  };
}

inline TicketKeyPtr key_with(std::uint32_t epoch, unsigned seed,
                             BootClock::time_point created = kStart) {
  auto key = std::make_shared<TicketKey>();
  key->epoch = epoch;
  key->name.fill(static_cast<std::byte>(seed));
  std::ranges::fill(key->aes.bytes(), static_cast<std::byte>(seed));
  std::ranges::fill(key->hmac.bytes(), static_cast<std::byte>(seed + 100));
  key->created = created;
  return key;
}

inline Result<KeyRing> ring_of(std::vector<KeyRing::Entry> entries, AgePolicy policy = kPolicy) {
  return KeyRing::make({{1, 1}, std::move(entries), policy});
}

// "next current previous…" as letters with epochs: "n3 c2 p1".
inline std::string shape(const KeyRing& ring) {
  std::string text;
  for (const KeyRing::Entry& entry : ring.entries()) {
    text += (text.empty() ? "" : " ");
    text += "ncp"[static_cast<int>(entry.state)];
    text += std::to_string(entry.key->epoch);
  }
  return text;
}

}  // namespace usher::keyring::test
