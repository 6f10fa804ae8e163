#pragma once

#include <array>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/session/session_keys.h"
#include "tests/unit/keyring/support/test_keys.h"

// Key books over rings made by hand, and what is asked of them.
namespace usher::session::test {

using Id = std::array<std::byte, kIdSize>;

inline const Id kDomain = [] {
  Id domain;
  domain.fill(std::byte{0x77});
  return domain;
}();

// A book with the ring it reads, as one node has them.
class Book {
 public:
  using Entries = std::vector<keyring::KeyRing::Entry>;

  explicit Book(Entries entries) : rings_(ring_of(std::move(entries))) {
    auto made = KeyBook::create(nullptr, rings_);
    if (!made) {
      throw std::runtime_error(made.error().message);
    }
    book_ = *std::move(made);
  }

  void publish(Entries entries) { rings_.publish(ring_of(std::move(entries))); }
  KeyBook* operator->() { return book_.get(); }
  KeyBook& operator*() { return *book_; }

 private:
  static std::shared_ptr<const keyring::KeyRing> ring_of(Entries entries) {
    auto ring = keyring::test::ring_of(std::move(entries));
    if (!ring) {
      throw std::runtime_error(ring.error().message);
    }
    return std::make_shared<const keyring::KeyRing>(*std::move(ring));
  }

  Snapshot<keyring::KeyRing> rings_;
  std::unique_ptr<KeyBook> book_;
};

inline keyring::TicketKeyPtr sized(const keyring::TicketKeyPtr& from, keyring::KeySize size) {
  auto key = std::make_shared<keyring::TicketKey>();
  key->name = from->name;
  key->size = size;
  key->created = from->created;
  std::ranges::copy(from->aes.bytes(), key->aes.bytes().begin());
  std::ranges::copy(from->hmac.bytes(), key->hmac.bytes().begin());
  return key;
}

// A key made of a number, and two numbers whose keys have one selector (found by search).
inline constexpr std::array<std::uint32_t, 2> kSameSelector{27479, 38018};

inline keyring::TicketKeyPtr numbered(std::uint32_t number, unsigned name = 1) {
  auto key = std::make_shared<keyring::TicketKey>();
  key->name.fill(static_cast<std::byte>(name));
  key->created = keyring::test::kStart;
  for (std::size_t i = 0; i < 32; ++i) {
    key->aes.bytes()[i] = static_cast<std::byte>(number >> (24 - 8 * (i % 4)));
    key->hmac.bytes()[i] = ~key->aes.bytes()[i];
  }
  return key;
}

inline Id made_id(KeyBook& book, BootClock::time_point now = keyring::test::kStart) {
  Id id{};
  if (!book.make_id(id, now)) {
    throw std::runtime_error("no id");
  }
  return id;
}

inline std::vector<std::byte> sealed(KeyBook& book, const SessionKeys& keys, ByteView id,
                                     ByteView domain, std::string_view session) {
  std::vector<std::byte> value;
  if (!book.seal(keys, id, domain, bytes_of(session), value)) {
    throw std::runtime_error("not sealed");
  }
  return value;
}

// What opens; "" if it does not, and then nothing of it may be left.
inline std::string opened(KeyBook& book, const SessionKeys& keys, ByteView id, ByteView domain,
                          ByteView value) {
  std::vector<std::byte> session(value.size());
  std::size_t size = 0;
  if (book.open(keys, id, domain, value, session, size)) {
    return std::string(text_of(ByteView(session).first(size)));
  }
  if (std::ranges::any_of(session, [](std::byte byte) { return byte != std::byte{0}; })) {
    throw std::runtime_error("a failure left text behind");
  }
  return "";
}

inline void flip(std::span<std::byte> bytes, std::size_t bit) {
  bytes[bit / 8] ^= std::byte{1} << (bit % 8);
}

inline std::vector<std::byte> unhex(std::string_view text) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

}  // namespace usher::session::test
