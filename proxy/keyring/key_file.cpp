#include "proxy/keyring/key_file.h"

#include <algorithm>
#include <utility>

#include "proxy/base/bytes.h"
#include "proxy/base/check.h"
#include "proxy/keyring/base64.h"
#include "proxy/keyring/key_file_parts.h"
#include "proxy/keyring/ring_changes.h"

namespace usher::keyring {
namespace {

constexpr std::size_t kHaproxyLinesMin = 3;  // TLS_TICKETS_NO of HAProxy

bool is_text(std::string_view bytes) {
  return std::ranges::all_of(
      bytes, [](char c) { return (c >= ' ' && c <= '~') || c == '\n' || c == '\r' || c == '\t'; });
}

bool is_base64_text(std::string_view bytes) {
  return std::ranges::all_of(bytes, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/' || c == '=' || c == '\n' || c == '\r';
  });
}

bool is_key_size(std::size_t size) {
  return size == kSmallKeyBytes || size == kLargeKeyBytes;
}

enum class Order { kAesFirst, kHmacFirst };

// `bytes` are 48 or 80. Key bytes go from where they lie straight into the key.
TicketKeyPtr key_in(std::span<const std::byte> bytes, Order order, BootClock::time_point created) {
  auto key = std::make_shared<TicketKey>();
  key->size = bytes.size() == kLargeKeyBytes ? KeySize::kAes256 : KeySize::kAes128;
  key->created = created;
  std::ranges::copy(bytes.first(kNameSize), key->name.begin());
  const auto keys = bytes.subspan(kNameSize);
  const auto first = keys.first(keys.size() / 2);
  const auto second = keys.last(keys.size() / 2);
  std::ranges::copy(order == Order::kAesFirst ? first : second, key->aes.bytes().begin());
  std::ranges::copy(order == Order::kAesFirst ? second : first, key->hmac.bytes().begin());
  return key;
}

void put_key(std::span<std::byte> into, const TicketKey& key, Order order) {
  const auto keys = into.subspan(kNameSize);
  const auto first = order == Order::kAesFirst ? key.aes_bytes() : key.hmac_bytes();
  const auto second = order == Order::kAesFirst ? key.hmac_bytes() : key.aes_bytes();
  std::ranges::copy(key.name, into.begin());
  std::ranges::copy(first, keys.begin());
  std::ranges::copy(second, keys.begin() + static_cast<std::ptrdiff_t>(first.size()));
}

std::size_t file_bytes(const TicketKey& key) {
  return key.size == KeySize::kAes256 ? kLargeKeyBytes : kSmallKeyBytes;
}

// ngx_ssl_session_ticket_keys: 80 bytes are name | HMAC | AES; in 48 the AES key comes first.
Order nginx_order(std::size_t bytes) {
  return bytes == kLargeKeyBytes ? Order::kHmacFirst : Order::kAesFirst;
}

Result<std::vector<PlacedKey>> parse_nginx(std::span<const KeyFile> files) {
  std::vector<PlacedKey> keys;
  for (const KeyFile& file : files) {
    const auto bytes = file.bytes.bytes();
    if (!is_key_size(bytes.size())) {
      return fail(file.path + ": " + std::to_string(bytes.size()) +
                  " bytes; expected one nginx key of 48 or 80 raw bytes (openssl rand 80)");
    }
    const KeyState state = keys.empty() ? KeyState::kCurrent : KeyState::kPrevious;
    auto key = key_in(bytes, nginx_order(bytes.size()), file.changed);
    if (auto added = add_key(keys, std::move(key), state, file.path); !added) {
      return Unexpected(std::move(added).error());
    }
  }
  return keys;
}

Result<TicketKeyPtr> parse_haproxy_line(std::string_view line, const std::string& place,
                                        BootClock::time_point created) {
  if (line.ends_with('\r')) {
    line.remove_suffix(1);  // as HAProxy does
  }
  const std::size_t size = base64_bytes(line);
  if (!is_key_size(size)) {
    return fail(place + ": " + std::to_string(line.size()) +
                " characters; expected one HAProxy key, 48 or 80 bytes in base64 (64 or 108 "
                "characters: openssl rand -base64 80 | tr -d '\\n')");
  }
  SecretBuffer bytes(size);
  if (!decode_base64(line, bytes.bytes())) {
    return fail(place + ": no base64; expected only A-Z a-z 0-9 + / and = at the end");
  }
  return key_in(bytes.bytes(), Order::kAesFirst, created);
}

// Oldest first; the last but one seals, the last is next.
Result<std::vector<PlacedKey>> parse_haproxy(const KeyFile& file) {
  std::vector<PlacedKey> keys;
  for (Lines lines(file); lines.more();) {
    const std::string_view line = lines.next();
    auto key = parse_haproxy_line(line, lines.place(), file.changed);
    if (!key) {
      return Unexpected(std::move(key).error());
    }
    if (!keys.empty() && (*key)->size != keys.front().entry.key->size) {
      return fail(lines.place() +
                  ": a key of another size than the first line's; expected all of one size");
    }
    if (keys.size() == kMaxKeys) {
      return fail(lines.place() + ": more than " + std::to_string(kMaxKeys) + " keys");
    }
    if (auto added = add_key(keys, *std::move(key), KeyState::kPrevious, lines.place()); !added) {
      return Unexpected(std::move(added).error());
    }
  }
  if (keys.size() < kHaproxyLinesMin) {
    return fail(file.path + ": " + std::to_string(keys.size()) +
                " keys; expected at least 3 lines of base64: old, current, next");
  }
  std::ranges::reverse(keys);
  keys[0].entry.state = KeyState::kNext;
  keys[1].entry.state = KeyState::kCurrent;
  return keys;
}

Result<SecretBuffer> format_nginx(const KeyRing& ring) {
  const KeyRing::Entry* current = find_key(ring, KeyState::kCurrent);
  if (current == nullptr) {
    return fail("an nginx file holds the current key, and the ring has none; rotate first");
  }
  SecretBuffer bytes(file_bytes(*current->key));
  put_key(bytes.bytes(), *current->key, nginx_order(bytes.size()));
  return bytes;
}

Result<SecretBuffer> format_haproxy(const KeyRing& ring) {
  std::vector<KeyRing::Entry> entries(ring.entries().begin(), ring.entries().end());
  if (!entries.empty() && entries.front().state != KeyState::kNext) {
    // The last line only opens: without a next key the oldest may stand there as well.
    std::rotate(entries.begin(), entries.end() - 1, entries.end());
  }
  if (entries.size() < kHaproxyLinesMin || entries[1].state != KeyState::kCurrent) {
    return fail("an HAProxy file needs a current key and two others; rotate until there are three");
  }
  SecretText text;
  std::ranges::reverse(entries);
  for (const KeyRing::Entry& entry : entries) {
    if (entry.key->size != entries.front().key->size) {
      return fail("an HAProxy file holds keys of one size, and the ring has 48 and 80 bytes");
    }
    SecretBuffer bytes(file_bytes(*entry.key));
    put_key(bytes.bytes(), *entry.key, Order::kAesFirst);
    text.add_base64(bytes.bytes());
    text.add("\n");
  }
  return text.copy();
}

Result<KeyRing::Parts> parts_in(KeyFileFormat format, std::span<const KeyFile> files) {
  if (format == KeyFileFormat::kUsher) {
    return parse_usher(files.front());
  }
  auto keys = format == KeyFileFormat::kNginx ? parse_nginx(files) : parse_haproxy(files.front());
  if (!keys) {
    return Unexpected(std::move(keys).error());
  }
  KeyRing::Parts parts;
  parts.entries = entries_of(*std::move(keys));
  return parts;
}

Result<void> check_files(KeyFileFormat format, std::span<const KeyFile> files) {
  CHECK(!files.empty());
  if (format != KeyFileFormat::kNginx && files.size() != 1) {
    return fail(files[1].path +
                ": a second file; expected one that holds all keys (only nginx "
                "keys are one a file)");
  }
  if (files.size() > kMaxKeys) {
    return fail(files[kMaxKeys].path + ": more than " + std::to_string(kMaxKeys) + " key files");
  }
  for (const KeyFile& file : files) {
    if (file.bytes.size() == 0) {
      return fail(file.path + ": is empty; expected a file with ticket keys");
    }
    if (file.bytes.size() > kKeyFileBytesMax) {
      return fail(file.path + ": larger than 64 KiB; expected a key file");
    }
  }
  return {};
}

}  // namespace

KeyFileFormat format_of(std::span<const std::byte> bytes) {
  const std::string_view text = text_of(bytes);
  if (text.substr(0, text.find('\n')) == kUsherFirstLine) {
    return KeyFileFormat::kUsher;
  }
  if (!is_text(text) || (is_key_size(bytes.size()) && !is_base64_text(text))) {
    return KeyFileFormat::kNginx;
  }
  return KeyFileFormat::kHaproxy;
}

Result<KeyRing> parse_key_files(KeyFileFormat format, std::span<const KeyFile> files,
                                std::uint64_t version, AgePolicy policy) {
  if (auto checked = check_files(format, files); !checked) {
    return Unexpected(std::move(checked).error());
  }
  auto parts = parts_in(format, files);
  if (!parts) {
    return Unexpected(std::move(parts).error());
  }
  parts->version = {1, version};
  if (policy.seal_max_age) {
    parts->policy.seal_max_age = policy.seal_max_age;
  }
  if (policy.open_max_age) {
    parts->policy.open_max_age = policy.open_max_age;
  }
  auto ring = KeyRing::make(*std::move(parts));
  if (!ring) {
    return Unexpected(std::move(ring).error().within(files.front().path));
  }
  return ring;
}

Result<SecretBuffer> format_keys(const KeyRing& ring, KeyFileFormat format,
                                 BootClock::time_point now, std::optional<UnixSeconds> exported) {
  switch (format) {
    case KeyFileFormat::kUsher:
      return format_usher(ring, now, exported);
    case KeyFileFormat::kNginx:
      return format_nginx(ring);
    case KeyFileFormat::kHaproxy:
      return format_haproxy(ring);
  }
  CHECK(false);
}

}  // namespace usher::keyring
