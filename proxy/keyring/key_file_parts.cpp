#include "proxy/keyring/key_file_parts.h"

#include <algorithm>
#include <utility>

#include "proxy/base/bytes.h"
#include "proxy/base/check.h"
#include "proxy/keyring/base64.h"

namespace usher::keyring {
Result<void> add_key(std::vector<PlacedKey>& keys, TicketKeyPtr key, KeyState state,
                     std::string place) {
  const TicketKey& added = *key;
  if (all_zero(added.aes_bytes()) || all_zero(added.hmac_bytes())) {
    return fail(place + ": a key of all zero bytes; expected random ones; make a new key");
  }
  for (const PlacedKey& other : keys) {
    const TicketKey& there = *other.entry.key;
    if (there.name == added.name || std::ranges::equal(there.aes_bytes(), added.aes_bytes()) ||
        std::ranges::equal(there.hmac_bytes(), added.hmac_bytes())) {
      return fail(place + ": the same key, or the same key name, as " + other.place +
                  "; expected each key once; remove one");
    }
  }
  keys.push_back({{std::move(key), state}, std::move(place)});
  return {};
}

std::vector<KeyRing::Entry> entries_of(std::vector<PlacedKey> keys) {
  std::vector<KeyRing::Entry> entries;
  entries.reserve(keys.size());
  for (PlacedKey& key : keys) {
    entries.push_back(std::move(key.entry));
  }
  return entries;
}

Lines::Lines(const KeyFile& file)
    : path_(file.path), rest_(text_of(file.bytes.bytes())), size_(rest_.size()) {}

std::string_view Lines::next() {
  const std::size_t end = std::min(rest_.find('\n'), rest_.size());
  const std::string_view line = rest_.substr(0, end);
  rest_.remove_prefix(std::min(end + 1, rest_.size()));
  ++line_;
  return line;
}

std::string Lines::place() const {
  return std::string(path_) + ":" + std::to_string(line_);
}

void SecretText::add(std::string_view text) {
  std::ranges::copy(bytes_of(text), room(text.size()).begin());
}

void SecretText::add_base64(std::span<const std::byte> bytes) {
  const auto into = room(base64_size(bytes.size()));
  encode_base64(bytes, {reinterpret_cast<char*>(into.data()), into.size()});
}

SecretBuffer SecretText::copy() const {
  SecretBuffer exact(size_);
  std::ranges::copy(bytes(), exact.bytes().begin());
  return exact;
}

std::span<std::byte> SecretText::room(std::size_t size) {
  CHECK(size <= buffer_.size() - size_);
  const auto free = buffer_.bytes().subspan(size_, size);
  size_ += size;
  return free;
}

}  // namespace usher::keyring
