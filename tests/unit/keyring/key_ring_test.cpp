#include "proxy/keyring/key_ring.h"

#include <gtest/gtest.h>

#include "tests/unit/keyring/support/test_keys.h"

namespace usher::keyring::test {
namespace {

using Entries = std::vector<KeyRing::Entry>;

// A key that shares one field with key_with(1, 1).
template <class Change>
TicketKeyPtr changed(unsigned seed, Change change) {
  auto key = std::make_shared<TicketKey>();
  const TicketKeyPtr base = key_with(2, seed);
  key->epoch = base->epoch;
  key->name = base->name;
  std::ranges::copy(base->aes.bytes(), key->aes.bytes().begin());
  std::ranges::copy(base->hmac.bytes(), key->hmac.bytes().begin());
  key->created = base->created;
  change(*key);
  return key;
}

void zero(std::span<std::byte> bytes) {
  std::ranges::fill(bytes, std::byte{0});
}

Entries many(std::size_t count) {
  Entries entries;
  for (unsigned i = 1; i <= count; ++i) {
    entries.push_back({key_with(i, i), KeyState::kPrevious});
  }
  return entries;
}

TEST(KeyRing, empty_is_valid_and_knows_nothing) {
  const KeyRing ring;
  EXPECT_EQ(ring.sealing_key(kStart), nullptr);
  EXPECT_FALSE(ring.opening_key(KeyName{}, kStart));
  EXPECT_EQ(ring.classify_unknown(KeyName{}), UnknownName::kForeign);
  EXPECT_EQ(ring.highest_epoch(), 0U);
}

TEST(KeyRing, refuses) {
  using enum KeyState;
  const TicketKeyPtr first = key_with(1, 1);
  const struct {
    const char* what;
    Entries entries;
    const char* reason;
  } cases[] = {
      {"two next", {{first, kNext}, {key_with(2, 2), kNext}}, "more than one next key"},
      {"two current", {{first, kCurrent}, {key_with(2, 2), kCurrent}}, "more than one current key"},
      {"too many", many(kMaxKeys + 1), "at most 64 keys"},
      {"one key twice", {{first, kCurrent}, {first, kPrevious}}, "twice"},
      {"one name twice",
       {{first, kCurrent}, {changed(2, [&](TicketKey& k) { k.name = first->name; }), kPrevious}},
       "twice"},
      {"one AES key twice",
       {{first, kCurrent},
        {changed(
             2,
             [&](TicketKey& k) { std::ranges::copy(first->aes.bytes(), k.aes.bytes().begin()); }),
         kPrevious}},
       "twice"},
      {"one HMAC key twice",
       {{first, kCurrent},
        {changed(
             2,
             [&](TicketKey& k) { std::ranges::copy(first->hmac.bytes(), k.hmac.bytes().begin()); }),
         kPrevious}},
       "twice"},
      {"zero AES key", {{changed(2, [](TicketKey& k) { zero(k.aes.bytes()); }), kCurrent}}, "zero"},
      {"zero HMAC key",
       {{changed(2, [](TicketKey& k) { zero(k.hmac.bytes()); }), kPrevious}},
       "zero"},
  };
  for (const auto& test : cases) {
    const auto ring = ring_of(test.entries);
    ASSERT_FALSE(ring) << test.what;
    EXPECT_NE(ring.error().message.find(test.reason), std::string::npos)
        << test.what << ": " << ring.error().message;
  }
}

TEST(KeyRing, holds_the_most_it_may) {
  const auto ring = ring_of(many(kMaxKeys));
  ASSERT_TRUE(ring);
  EXPECT_EQ(ring->entries().size(), kMaxKeys);
}

TEST(KeyRing, orders_next_current_then_previous_by_falling_epoch) {
  using enum KeyState;
  const auto ring = ring_of({{key_with(2, 2), kPrevious},
                             {key_with(4, 4), kCurrent},
                             {key_with(3, 3), kPrevious},
                             {key_with(5, 5), kNext},
                             {key_with(1, 1), kPrevious}});
  ASSERT_TRUE(ring);
  std::vector<std::uint32_t> epochs;
  for (const KeyRing::Entry& entry : ring->entries()) {
    epochs.push_back(entry.key->epoch);
  }
  EXPECT_EQ(epochs, (std::vector<std::uint32_t>{5, 4, 3, 2, 1}));
  EXPECT_EQ(ring->highest_epoch(), 5U);
}

TEST(KeyRing, version_orders_by_term_first) {
  using Version = KeyRing::Version;
  EXPECT_LT((Version{1, 9}), (Version{2, 1}));
  EXPECT_LT((Version{2, 1}), (Version{2, 2}));
  EXPECT_EQ((Version{2, 2}), (Version{2, 2}));
}

TEST(KeyRing, only_current_seals_and_all_open) {
  using enum KeyState;
  const auto ring =
      ring_of({{key_with(3, 3), kNext}, {key_with(2, 2), kCurrent}, {key_with(1, 1), kPrevious}});
  ASSERT_TRUE(ring);
  ASSERT_NE(ring->sealing_key(kStart), nullptr);
  EXPECT_EQ(ring->sealing_key(kStart)->epoch, 2U);
  for (const KeyRing::Entry& entry : ring->entries()) {
    const auto found = ring->opening_key(entry.key->name, kStart);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->key, entry.key.get());
    EXPECT_EQ(found->state, entry.state);
  }
  const auto without_current = ring_of({{key_with(3, 3), kNext}, {key_with(1, 1), kPrevious}});
  ASSERT_TRUE(without_current);
  EXPECT_EQ(without_current->sealing_key(kStart), nullptr);
}

TEST(KeyRing, ages) {
  const struct {
    AgePolicy policy;
    BootClock::duration age;
    bool seals;
    bool opens;
  } cases[] = {
      {kPolicy, 0h, true, true},
      {kPolicy, -1h, true, true},  // a clock that was behind
      {kPolicy, 3h - 1ns, true, true},
      {kPolicy, 3h, false, true},
      {kPolicy, 9h - 1ns, false, true},
      {kPolicy, 9h, false, false},
      {kPolicy, 9000h, false, false},
      {{std::nullopt, 9h}, 8h, true, true},
      {{std::nullopt, std::nullopt}, 90000h, true, true},
      {{3h, std::nullopt}, 90000h, false, true},
  };
  for (const auto& test : cases) {
    const auto ring = ring_of({{key_with(1, 1), KeyState::kCurrent}}, test.policy);
    ASSERT_TRUE(ring);
    const auto now = kStart + test.age;
    EXPECT_EQ(ring->sealing_key(now) != nullptr, test.seals) << test.age.count();
    EXPECT_EQ(ring->opening_key(key_with(1, 1)->name, now).has_value(), test.opens)
        << test.age.count();
  }
}

TEST(KeyRing, unknown_names) {
  const FleetTag tag{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
  const FleetTag other_tag{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{5}};
  auto name_key = std::make_shared<NameKey>();
  std::ranges::fill(name_key->bytes(), std::byte{9});
  const auto ring =
      KeyRing::make({{1, 1}, {{key_with(7, 1), KeyState::kCurrent}}, kPolicy, tag, name_key});
  ASSERT_TRUE(ring);
  const auto name = [&](const FleetTag& of, std::uint32_t epoch) {
    return mask_name({of, epoch}, NameSalt{std::byte{3}}, *name_key);
  };
  EXPECT_EQ(ring->classify_unknown(name(tag, 8)), UnknownName::kFuture);
  EXPECT_EQ(ring->classify_unknown(name(tag, 0xffffffff)), UnknownName::kFuture);
  EXPECT_EQ(ring->classify_unknown(name(tag, 7)), UnknownName::kPast);
  EXPECT_EQ(ring->classify_unknown(name(tag, 0)), UnknownName::kPast);
  EXPECT_EQ(ring->classify_unknown(name(other_tag, 7)), UnknownName::kForeign);
  const auto files = ring_of({{key_with(7, 1), KeyState::kCurrent}});
  ASSERT_TRUE(files);
  EXPECT_EQ(files->classify_unknown(name(tag, 8)), UnknownName::kForeign);
}

}  // namespace
}  // namespace usher::keyring::test
