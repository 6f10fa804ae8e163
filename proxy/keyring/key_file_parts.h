#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "proxy/keyring/key_file.h"

// What the parts of key_file.h share; nobody else includes it.
namespace usher::keyring {

inline constexpr std::string_view kUsherFirstLine = "usher ticket keys 1";

// 48 bytes: AES-128 and an HMAC key of 16; 80: AES-256 and one of 32. Both after the name.
inline constexpr std::size_t kSmallKeyBytes = 48;
inline constexpr std::size_t kLargeKeyBytes = 80;

// A key with the place it was read from, "FILE:LINE" or "FILE".
struct PlacedKey {
  KeyRing::Entry entry;
  std::string place;
};

// Adds a key unless it is all zero or one that is there already; the error names both places.
Result<void> add_key(std::vector<PlacedKey>& keys, TicketKeyPtr key, KeyState state,
                     std::string place);
std::vector<KeyRing::Entry> entries_of(std::vector<PlacedKey> keys);

// The lines of a text file, numbered; views into bytes that the caller keeps (and wipes).
class Lines {
 public:
  explicit Lines(const KeyFile& file);

  bool more() const { return !rest_.empty(); }
  std::string_view next();    // without its line feed
  std::string place() const;  // "FILE:LINE" of the line that next() gave last
  std::size_t offset() const { return size_ - rest_.size(); }  // of the line that follows

 private:
  std::string_view path_;
  std::string_view rest_;
  std::size_t size_;
  unsigned line_ = 0;
};

Result<KeyRing::Parts> parse_usher(const KeyFile& file);
Result<SecretBuffer> format_usher(const KeyRing& ring, BootClock::time_point now,
                                  std::optional<UnixSeconds> exported);

// Text with key bytes in it, made in memory that is wiped.
class SecretText {
 public:
  void add(std::string_view text);
  void add_base64(std::span<const std::byte> bytes);
  std::span<const std::byte> bytes() const { return buffer_.bytes().first(size_); }
  SecretBuffer copy() const;  // of exactly its size

 private:
  std::span<std::byte> room(std::size_t size);

  SecretBuffer buffer_{kKeyFileBytesMax};  // the largest ring takes a quarter of it
  std::size_t size_ = 0;
};

}  // namespace usher::keyring
