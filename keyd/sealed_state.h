#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "keyd/stores.h"
#include "proxy/base/bytes.h"
#include "proxy/base/result.h"
#include "proxy/base/secret.h"
#include "proxy/keyring/key_ring.h"

namespace usher::keyd {

// What leaves keyd for a store, encrypted and authenticated under the key-encryption key with
// AES-256-GCM (NIST SP 800-38D) and a random nonce; 2^32 messages under one key are allowed, a
// keyd writes a few a second at most:
//
//   "usherkd1" 8 | kind 1 | term 8 | version 8 | nonce 12 | ciphertext | tag 16
//
// The associated data is fleet bytes 2 | fleet | all before the nonce: a state cannot be passed for
// another fleet's, another version's or a report. Thread: any.
enum class SealedKind : std::uint8_t { kState = 1, kReports = 2 };

struct SealedAs {
  SealedKind kind;
  std::string_view fleet;
};

inline constexpr std::size_t kSealOverhead = 8 + 1 + 8 + 8 + 12 + 16;

// Fails only for want of randomness.
Result<std::vector<std::byte>> seal(const StoreKey& key, SealedAs as,
                                    keyring::KeyRing::Version version, ByteView plain);

struct Opened {
  keyring::KeyRing::Version version;
  SecretBuffer plain;
};
// Errors tell what is no sealed state of ours at all from what another key or fleet sealed or
// somebody changed; the latter two cannot be told apart.
Result<Opened> open_sealed(const StoreKey& key, SealedAs as, ByteView sealed);

}  // namespace usher::keyd
