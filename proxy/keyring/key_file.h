#pragma once

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
//   usher    text: the whole ring with name_key, policy and ages
enum class KeyFileFormat { kUsher, kNginx, kHaproxy };
inline constexpr std::size_t kKeyFileBytesMax = 64 * 1024;

struct KeyFile {
  std::string path;  // for messages
  SecretBuffer bytes;
  BootClock::time_point changed;  // the file's last change: the keys' creation
};

// By content: 48 or 80 bytes that are no base64 text are nginx's; a first line "usher ticket keys
// 1" is ours; else haproxy's.
KeyFileFormat format_of(std::span<const std::byte> bytes);

// One ring from all files, version {1, version}: nginx takes several files (the first seals), the
// others exactly one. For `usher` the ages are the file's own plus the time since it was written.
// Errors: FILE:LINE (or FILE), what was expected, what to do.
Result<KeyRing> parse_key_files(KeyFileFormat format, std::span<const KeyFile> files,
                                std::uint64_t version, AgePolicy policy);

// The ring as one file of that format. nginx holds one key: `current`. haproxy needs three: oldest
// first, `current` last but one, `next` last (`current` again, renamed never: an error says that a
// next key is needed). 128-bit keys keep their size; usher refuses them.
Result<SecretBuffer> format_keys(const KeyRing& ring, KeyFileFormat format,
                                 BootClock::time_point now);

}  // namespace usher::keyring
