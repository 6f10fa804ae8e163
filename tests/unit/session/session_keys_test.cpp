#include "proxy/session/session_keys.h"

#include <gtest/gtest.h>
#include <openssl/err.h>

#include <algorithm>
#include <string>

#include "tests/unit/session/support/key_books.h"

namespace usher::session::test {
namespace {

using keyring::KeyState;
using keyring::test::key_with;
using keyring::test::kPolicy;
using keyring::test::kStart;
using namespace std::chrono_literals;

// Made with Python's cryptography (HKDF, AESGCM) and hmac, of the key whose AES bytes are 1 and
// HMAC bytes 101, the random bytes and the nonce 0, 1, 2…, and a domain of 0x77.
struct Vector {
  keyring::KeySize size;
  std::string_view id;
  std::string_view name;
  std::string_view value;  // "a session"
};
constexpr Vector kVectors[] = {
    {keyring::KeySize::kAes256, "fa9df852000102030405060708090a0b0c0d0e0f10111213ebf29c877dfdd625",
     "344293c432048026ecf2571e40bf9c25b5287a5d0f897c63d502056785a42e4e",
     "000102030405060708090a0b731e8a65c718225bdede9f86a5b9d6b5ec6b8890de02a34d1d"},
    {keyring::KeySize::kAes128, "1e6986ba000102030405060708090a0b0c0d0e0f10111213630faba042d93688",
     "e10d1a929035ef7832dc90734fab5c2dc3fefe2be682697169874ebaf2aa21d7",
     "000102030405060708090a0bb6e05ea5ec771190ae41fa2170f693d739291afacbce8229f8"}};

TEST(SessionKeys, are_what_others_derive) {
  for (const Vector& vector : kVectors) {
    Book book({{sized(key_with(1, 1), vector.size), KeyState::kCurrent}});
    const auto id = unhex(vector.id);
    const SessionKeys* keys = book->keys_of(id, kStart);
    ASSERT_NE(keys, nullptr);
    EXPECT_EQ(hex(book->name_of(*keys, id)), vector.name);
    EXPECT_EQ(opened(*book, *keys, id, kDomain, unhex(vector.value)), "a session");
  }
}

TEST(SessionKeys, make_ids_that_are_known) {
  Book book({{key_with(1, 1), KeyState::kCurrent}});
  Book other_node({{key_with(1, 1), KeyState::kCurrent}});
  const Id first = made_id(*book);
  const Id second = made_id(*book);
  EXPECT_NE(first, second);
  EXPECT_EQ(hex(ByteView(first).first(4)), "fa9df852");
  for (const Id& id : {first, second}) {
    EXPECT_NE(book->keys_of(id, kStart), nullptr);
    EXPECT_NE(other_node->keys_of(id, kStart), nullptr);
  }
}

TEST(SessionKeys, every_bit_of_an_id_counts) {
  Book book({{key_with(1, 1), KeyState::kCurrent}, {key_with(0, 9), KeyState::kPrevious}});
  Id id = made_id(*book);
  for (std::size_t bit = 0; bit < 8 * id.size(); ++bit) {
    flip(id, bit);
    EXPECT_EQ(book->keys_of(id, kStart), nullptr) << bit;
    flip(id, bit);
  }
  EXPECT_NE(book->keys_of(id, kStart), nullptr);
  EXPECT_EQ(book->keys_of(ByteView(id).first(31), kStart), nullptr);
  EXPECT_EQ(book->keys_of({}, kStart), nullptr);
}

TEST(SessionKeys, without_a_sealing_key_ids_are_random_and_foreign) {
  Book empty({});
  Book stale({{key_with(1, 1), KeyState::kCurrent}});
  Book only_next({{key_with(1, 1), KeyState::kNext}});
  for (const auto& [book, now] : {std::pair(&empty, kStart), std::pair(&only_next, kStart),
                                  std::pair(&stale, kStart + *kPolicy.seal_max_age)}) {
    Id first{};
    Id second{};
    EXPECT_FALSE((*book)->make_id(first, now));
    EXPECT_FALSE((*book)->make_id(second, now));
    EXPECT_NE(first, second);
    EXPECT_NE(first, Id{});
    EXPECT_EQ((*book)->keys_of(first, now), nullptr);
  }
}

TEST(SessionKeys, live_as_long_as_the_ring_key) {
  Book book({{key_with(1, 1), KeyState::kCurrent}});
  const Id id = made_id(*book);
  const SessionKeys* keys = book->keys_of(id, kStart);
  const auto value = sealed(*book, *keys, id, kDomain, "a session");
  book.publish(
      {{key_with(2, 2, kStart + 1h), KeyState::kCurrent}, {key_with(1, 1), KeyState::kPrevious}});
  EXPECT_EQ(book->keys_of(id, kStart + 1h), keys) << "derived once, though decoded anew";
  EXPECT_EQ(opened(*book, *keys, id, kDomain, value), "a session");
  EXPECT_NE(hex(ByteView(made_id(*book, kStart + 1h)).first(4)), hex(ByteView(id).first(4)));
  EXPECT_NE(book->keys_of(id, kStart + *kPolicy.open_max_age - 1ns), nullptr);
  EXPECT_EQ(book->keys_of(id, kStart + *kPolicy.open_max_age), nullptr) << "past open_max_age";
  book.publish({{key_with(2, 2, kStart + 1h), KeyState::kCurrent}});
  EXPECT_EQ(book->keys_of(id, kStart + 1h), nullptr) << "revoked";
}

TEST(SessionKeys, of_a_key_that_left_go_when_the_ring_is_taken) {
  auto leaving = numbered(1);
  const std::weak_ptr<const keyring::TicketKey> left = leaving;
  Book book({{std::exchange(leaving, nullptr), KeyState::kCurrent}});
  const Id id = made_id(*book);
  book.publish({{numbered(2), KeyState::kCurrent}});
  EXPECT_FALSE(left.expired());
  book->take_ring();
  EXPECT_TRUE(left.expired());
  EXPECT_EQ(book->keys_of(id, kStart), nullptr);
}

TEST(SessionKeys, of_a_next_key_are_known_to_nodes_that_did_not_promote_it_yet) {
  Book promoted({{key_with(2, 2), KeyState::kCurrent}, {key_with(1, 1), KeyState::kPrevious}});
  Book behind({{key_with(2, 2), KeyState::kNext}, {key_with(1, 1), KeyState::kCurrent}});
  EXPECT_NE(behind->keys_of(made_id(*promoted), kStart), nullptr);
  EXPECT_NE(promoted->keys_of(made_id(*behind), kStart), nullptr);
}

// A file of keys may keep a name and change the bytes.
TEST(SessionKeys, are_not_kept_for_another_key_of_the_same_name) {
  Book book({{numbered(1), KeyState::kCurrent}});
  const Id id = made_id(*book);
  book.publish({{numbered(2), KeyState::kCurrent}});
  EXPECT_EQ(book->keys_of(id, kStart), nullptr);
  EXPECT_NE(book->keys_of(made_id(*book), kStart), nullptr);
}

TEST(SessionKeys, of_one_selector_are_told_apart) {
  Book first({{numbered(kSameSelector[0]), KeyState::kCurrent}});
  Book second({{numbered(kSameSelector[1]), KeyState::kCurrent}});
  const Id of_first = made_id(*first);
  const Id of_second = made_id(*second);
  ASSERT_EQ(hex(ByteView(of_first).first(4)), hex(ByteView(of_second).first(4)));
  EXPECT_EQ(first->keys_of(of_second, kStart), nullptr);
  Book both({{numbered(kSameSelector[0], 1), KeyState::kPrevious},
             {numbered(kSameSelector[1], 2), KeyState::kCurrent}});
  const SessionKeys* keys = both->keys_of(of_first, kStart);
  EXPECT_NE(keys, nullptr);
  EXPECT_NE(both->keys_of(of_second, kStart), nullptr);
  EXPECT_NE(both->keys_of(of_second, kStart), keys);
}

TEST(SessionKeys, names_tell_nothing_and_differ) {
  Book book({{key_with(1, 1), KeyState::kCurrent}, {key_with(0, 2), KeyState::kPrevious}});
  const Id id = made_id(*book);
  Id other = id;
  flip(other, 100);
  const SessionKeys& keys = *book->keys_of(id, kStart);
  EXPECT_EQ(book->name_of(keys, id), book->name_of(keys, id));
  EXPECT_NE(book->name_of(keys, id), book->name_of(keys, other));
  EXPECT_EQ(hex(book->name_of(keys, id)).find(hex(id).substr(0, 16)), std::string::npos);
}

TEST(SealedSession, opens_as_it_was_sealed) {
  Book book({{key_with(1, 1), KeyState::kCurrent}});
  const Id id = made_id(*book);
  const SessionKeys& keys = *book->keys_of(id, kStart);
  for (const std::size_t size : {std::size_t{1}, std::size_t{190}, std::size_t{4000},
                                 KeyBook::kSealedMax - KeyBook::kSealOverhead}) {
    const std::string session(size, 's');
    const auto value = sealed(*book, keys, id, kDomain, session);
    EXPECT_EQ(value.size(), size + KeyBook::kSealOverhead);
    EXPECT_EQ(opened(*book, keys, id, kDomain, value), session);
  }
}

TEST(SealedSession, hides_the_session_and_never_repeats) {
  Book book({{key_with(1, 1), KeyState::kCurrent}});
  const Id id = made_id(*book);
  const SessionKeys& keys = *book->keys_of(id, kStart);
  const auto first = sealed(*book, keys, id, kDomain, "master secret");
  const auto second = sealed(*book, keys, id, kDomain, "master secret");
  EXPECT_EQ(text_of(first).find("master"), std::string::npos);
  EXPECT_FALSE(std::ranges::equal(ByteView(first).first(12), ByteView(second).first(12)));
  EXPECT_FALSE(std::ranges::equal(ByteView(first).subspan(12), ByteView(second).subspan(12)));
}

TEST(SealedSession, every_bit_of_value_id_and_domain_counts) {
  Book book({{key_with(1, 1), KeyState::kCurrent}});
  Id id = made_id(*book);
  const SessionKeys& keys = *book->keys_of(id, kStart);
  auto value = sealed(*book, keys, id, kDomain, std::string(190, 's'));
  Id domain = kDomain;
  for (const std::span<std::byte> bytes :
       {std::span(value), std::span<std::byte>(id), std::span<std::byte>(domain)}) {
    for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      flip(bytes, bit);
      EXPECT_EQ(opened(*book, keys, id, domain, value), "") << bit;
      flip(bytes, bit);
    }
  }
  EXPECT_EQ(opened(*book, keys, id, domain, value), std::string(190, 's'));
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST(SealedSession, of_another_client_or_key_does_not_open) {
  Book book({{key_with(1, 1), KeyState::kCurrent}});
  const Id mine = made_id(*book);
  const Id theirs = made_id(*book);
  const SessionKeys* keys = book->keys_of(mine, kStart);
  const auto value = sealed(*book, *keys, theirs, kDomain, "a session");
  EXPECT_EQ(opened(*book, *keys, mine, kDomain, value), "");
  EXPECT_EQ(opened(*book, *keys, kDomain, theirs, value), "") << "id and domain exchanged";
  book.publish({{key_with(1, 1), KeyState::kPrevious}, {key_with(2, 2), KeyState::kCurrent}});
  const Id next = made_id(*book);
  EXPECT_EQ(opened(*book, *book->keys_of(next, kStart), theirs, kDomain, value), "");
}

// A book has one context for all its keys.
TEST(SealedSession, of_two_keys_in_turn) {
  Book book({{key_with(1, 1), KeyState::kPrevious}, {key_with(2, 2), KeyState::kCurrent}});
  Book first({{key_with(1, 1), KeyState::kCurrent}});
  const Id ids[] = {made_id(*first), made_id(*book)};
  const Id bad_id{};
  std::string names;
  std::vector<std::byte> values[2];
  for (int turn = 0; turn < 2; ++turn) {
    for (const int which : {0, 1}) {
      const SessionKeys& keys = *book->keys_of(ids[which], kStart);
      if (turn == 0) {
        values[which] = sealed(*book, keys, ids[which], kDomain, "a session");
      }
      EXPECT_EQ(opened(*book, keys, bad_id, kDomain, values[which]), "");
      EXPECT_EQ(opened(*book, keys, ids[which], kDomain, values[which]), "a session");
      EXPECT_EQ(opened(*book, keys, ids[which], kDomain, values[1 - which]), "");
      names += hex(book->name_of(keys, kDomain)) + ' ';
    }
  }
  EXPECT_EQ(names.substr(names.size() / 2), names.substr(0, names.size() / 2));
  EXPECT_NE(names.substr(0, 64), names.substr(65, 64));
}

TEST(SealedSession, has_a_size) {
  Book book({{key_with(1, 1), KeyState::kCurrent}});
  const Id id = made_id(*book);
  const SessionKeys& keys = *book->keys_of(id, kStart);
  std::vector<std::byte> value;
  const std::vector<std::byte> longest(KeyBook::kSealedMax - KeyBook::kSealOverhead + 1);
  EXPECT_FALSE(book->seal(keys, id, kDomain, {}, value));
  EXPECT_FALSE(book->seal(keys, id, kDomain, longest, value));
  EXPECT_FALSE(book->seal(keys, id, ByteView(kDomain).first(31), bytes_of("s"), value));
  EXPECT_FALSE(book->seal(keys, ByteView(id).first(31), kDomain, bytes_of("s"), value));

  value = sealed(*book, keys, id, kDomain, "a session");
  for (std::size_t size = 0; size < value.size(); ++size) {
    EXPECT_EQ(opened(*book, keys, id, kDomain, ByteView(value).first(size)), "") << size;
  }
  value.push_back(std::byte{0});
  EXPECT_EQ(opened(*book, keys, id, kDomain, value), "");
}

TEST(SealedSession, of_an_impossible_size_is_not_even_tried) {
  Book book({{key_with(1, 1), KeyState::kCurrent}});
  const Id id = made_id(*book);
  const SessionKeys& keys = *book->keys_of(id, kStart);
  std::vector<std::byte> into(KeyBook::kSealedMax + 1, std::byte{0xee});
  const std::vector<std::byte> before = into;
  std::size_t size = 77;
  for (const std::size_t bytes :
       {std::size_t{0}, KeyBook::kSealOverhead, KeyBook::kSealedMax + 1}) {
    EXPECT_FALSE(book->open(keys, id, kDomain, std::vector<std::byte>(bytes), into, size));
    EXPECT_EQ(into, before) << bytes;
    EXPECT_EQ(size, 77U);
  }
}

TEST(SealedSession, needs_room_and_leaves_nothing_behind) {
  Book book({{key_with(1, 1), KeyState::kCurrent}});
  const Id id = made_id(*book);
  const SessionKeys& keys = *book->keys_of(id, kStart);
  auto value = sealed(*book, keys, id, kDomain, "a session");
  std::vector<std::byte> into(9, std::byte{0xee});
  std::size_t size = 77;
  EXPECT_FALSE(book->open(keys, id, kDomain, value, std::span(into).first(8), size));
  EXPECT_EQ(into, std::vector<std::byte>(9, std::byte{0xee}));
  flip(value, 8 * value.size() - 1);  // of the tag: the text comes out right before that is seen
  EXPECT_FALSE(book->open(keys, id, kDomain, value, into, size));
  EXPECT_EQ(into, std::vector<std::byte>(9));
  EXPECT_EQ(size, 77U);
}

}  // namespace
}  // namespace usher::session::test
