#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "proxy/base/clock.h"
#include "proxy/base/result.h"
#include "proxy/base/secret.h"
#include "proxy/keyring/key_ring.h"

namespace usher::keyring {

// A ring as bytes: what RING frames (keyd/PROTOCOL.md) and keyd's stores carry. Big-endian:
//
//   format 1 (=1) | term 8 | version 8 | fleet tag 4 | name_key 32 | last epoch 4
//   | seal_max_age ms 8 (0 none) | open_max_age ms 8 (0 none) | lineage_not_before 8 (Unix s, 0
//   none) | keys 1 | keys × { name 16 | epoch 4 | state 1 (0 next, 1 current, 2 previous) | age ms
//   8 | AES-256 32 | HMAC-SHA-256 32 } | digest 32
//
// The digest is SHA-256 over all fields but the ages, which differ at every sending: equal rings
// have equal digests whenever they are sent.
using RingDigest = std::array<std::byte, 32>;
inline constexpr std::size_t kRingBytesMax = 82 + kMaxKeys * 93 + 32;

RingDigest digest_of(const KeyRing& ring);

// The ring must have a name key and 256-bit keys only (as keyd makes them).
SecretBuffer encode_ring(const KeyRing& ring, BootClock::time_point now);

// Exact size, known states and format, keys in a ring's order, a right digest and everything that
// KeyRing::make asks. A key may be older than this machine's boot: its `created` then lies before
// the clock's zero; an age above ten years counts as that. Errors say which field and why, never
// key bytes.
Result<KeyRing> decode_ring(std::span<const std::byte> bytes, BootClock::time_point now);

}  // namespace usher::keyring
