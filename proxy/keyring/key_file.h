#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/clock.h"
#include "proxy/base/result.h"
#include "proxy/base/secret.h"
#include "proxy/keyring/key_ring.h"

namespace usher::keyring {

// Ticket keys as files of other programs and our own export (DESIGN §5):
//   nginx    one raw key a file: 48 = name | AES-128 | HMAC 16, 80 = name | HMAC 32 | AES-256;
//            the first file seals
//   haproxy  one base64 key a line, ≥ 3 lines: 48 = name | AES-128 | HMAC 16,
//            80 = name | AES-256 | HMAC 32; the last but one seals, the last is `next`
//   usher    our export, text: the whole ring with name_key, limits and ages, and a checksum:
//
//     usher ticket keys 1
//     fleet 1b2c3d4e                        the fleet tag
//     name_key BASE64                       32 bytes
//     last_epoch 9
//     seal_max_age_ms 10800000              or none
//     open_max_age_ms 32400000              or none
//     lineage_not_before 1700000000         Unix seconds, or none
//     key NAME EPOCH STATE AGE_MS BASE64    hex name; next, current or previous; AES ‖ HMAC, 64
//     …                                     bytes; one line a key, in the ring's order
//     exported 1700003600                   Unix seconds; need not be there
//     sha256 HEX                            of all that is above
enum class KeyFileFormat { kUsher, kNginx, kHaproxy };
inline constexpr std::size_t kKeyFileBytesMax = 64 * 1024;

struct KeyFile {
  std::string path;  // for messages
  SecretBuffer bytes;
  BootClock::time_point changed;  // the file's last change: the keys' creation
  // For an import: what Unix time it was at `changed`. An export's keys have aged since they were
  // exported; without it, or when the file does not tell, they are as old as the file says.
  std::optional<UnixSeconds> wall{};
};

// By content: a first line "usher ticket keys 1" is ours; bytes that are no text, and 48 or 80 that
// are no base64 text, are nginx's; else haproxy's.
KeyFileFormat format_of(std::span<const std::byte> bytes);

// One ring from all files, version {1, version}: nginx takes several files (the first seals), the
// others exactly one. Limits that `policy` leaves open are the file's own with `usher`, else none.
// For `usher` the ages are the file's own plus the time since it was written. `files` is not empty.
// Errors: FILE:LINE (or FILE), what was expected, what to do; never key bytes.
Result<KeyRing> parse_key_files(KeyFileFormat format, std::span<const KeyFile> files,
                                std::uint64_t version, AgePolicy policy);

// The ring as one file of that format. nginx holds one key: `current`. haproxy needs at least
// three: oldest first, `current` last but one, `next` last, or without one the oldest. 128-bit keys
// keep their size; usher refuses them, and a ring without a name key.
// `exported`: for usher's line of that name.
Result<SecretBuffer> format_keys(const KeyRing& ring, KeyFileFormat format,
                                 BootClock::time_point now,
                                 std::optional<UnixSeconds> exported = {});

}  // namespace usher::keyring
