#include "proxy/keyring/ring_changes.h"

#include <gtest/gtest.h>

#include "tests/unit/keyring/support/test_keys.h"

namespace usher::keyring::test {
namespace {

constexpr UnixSeconds kRevokedAt{1'700'000'000s};

std::shared_ptr<const NameKey> name_key(unsigned fill) {
  auto key = std::make_shared<NameKey>();
  std::ranges::fill(key->bytes(), static_cast<std::byte>(fill));
  return key;
}

// From letters and epochs, "n3 c2 p1"; a key's name, bytes and epoch are all that number.
KeyRing ring(std::string_view shape, KeyRing::Version version = {4, 10}) {
  KeyRing::Parts parts{version, {}, kPolicy, {std::byte{1}}, name_key(0xe1)};
  while (!shape.empty()) {
    const auto epoch = static_cast<unsigned>(std::stoi(std::string(shape.substr(1))));
    parts.entries.push_back({key_with(epoch, epoch), shape[0] == 'n'   ? KeyState::kNext
                                                     : shape[0] == 'c' ? KeyState::kCurrent
                                                                       : KeyState::kPrevious});
    const std::size_t end = shape.find(' ');
    shape = end == std::string_view::npos ? "" : shape.substr(end + 1);
  }
  auto made = KeyRing::make(std::move(parts));
  CHECK(made);
  return *std::move(made);
}

KeyName name(unsigned seed) {
  return key_with(seed, seed)->name;
}

// Of another program: no epochs, no name key. The first key is current.
KeyRing foreign(std::initializer_list<unsigned> seeds, KeySize size = KeySize::kAes256) {
  KeyRing::Parts parts{{1, 1}, {}, {}};
  for (const unsigned seed : seeds) {
    auto key = std::make_shared<TicketKey>();
    key->name.fill(static_cast<std::byte>(seed));
    key->size = size;
    const std::size_t bytes = size == KeySize::kAes256 ? 32 : 16;
    std::ranges::fill(key->aes.bytes().first(bytes), static_cast<std::byte>(seed + 50));
    std::ranges::fill(key->hmac.bytes().first(bytes), static_cast<std::byte>(seed + 150));
    key->created = kStart;
    parts.entries.push_back(
        {std::move(key), parts.entries.empty() ? KeyState::kCurrent : KeyState::kPrevious});
  }
  auto made = KeyRing::make(std::move(parts));
  CHECK(made);
  return *std::move(made);
}

void expect_refused(const Result<KeyRing>& result, std::string_view reason) {
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().message.find(reason), std::string::npos) << result.error().message;
}

TEST(FindKey, by_state_and_by_name) {
  const KeyRing of_three = ring("n3 c2 p1");
  EXPECT_EQ(find_key(of_three, KeyState::kNext)->key->epoch, 3U);
  EXPECT_EQ(find_key(of_three, KeyState::kCurrent)->key->epoch, 2U);
  EXPECT_EQ(find_key(of_three, name(1))->state, KeyState::kPrevious);
  EXPECT_EQ(find_key(of_three, name(9)), nullptr);
  EXPECT_EQ(find_key(ring("p1"), KeyState::kCurrent), nullptr);
}

TEST(WithVersion, changes_nothing_else) {
  const KeyRing before = ring("n3 c2 p1");
  const KeyRing after = with_version(before, {9, 2});
  EXPECT_EQ(after.version(), (KeyRing::Version{9, 2}));
  EXPECT_EQ(shape(after), shape(before));
  EXPECT_EQ(after.policy(), before.policy());
  EXPECT_EQ(after.tag(), before.tag());
  EXPECT_EQ(after.name_key(), before.name_key());
  EXPECT_EQ(after.highest_epoch(), before.highest_epoch());
}

TEST(Above, is_above_both_and_keeps_its_own_term_where_it_can) {
  using Version = KeyRing::Version;
  const struct {
    Version own;
    Version heard;
    Version risen;
  } cases[] = {
      {{3, 5}, {3, 5}, {3, 6}},   // equal pair, another digest
      {{3, 5}, {3, 9}, {3, 10}},  // a lost write
      {{3, 5}, {3, 4}, {3, 6}},  {{3, 5}, {2, 9}, {3, 10}},
      {{3, 5}, {4, 1}, {5, 6}},  // a restored backup
      {{3, 5}, {4, 9}, {5, 10}},
  };
  for (const auto& test : cases) {
    const Version risen = above(test.own, test.heard);
    EXPECT_EQ(risen, test.risen);
    EXPECT_GT(risen, test.own);
    EXPECT_GT(risen, test.heard);
  }
}

TEST(Revoke, transitions) {
  const struct {
    const char* before;
    unsigned revoked;
    const char* after;
  } cases[] = {
      {"c2 p1", 1, "c2"},       {"n3 c2 p1", 1, "n3 c2"},
      {"n3 c2 p1", 3, "c2 p1"}, {"n3 c2 p1", 2, "c3 p1"},  // the next key that all have is promoted
      {"c2 p1", 2, "c3 p1"},                               // one is created
      {"c1", 1, "c2"},          {"n2 c1", 1, "c2"},
      {"p2 p1", 2, "p1"},       {"n2 p1", 1, "n2"},
  };
  for (const auto& test : cases) {
    const KeyRing before = ring(test.before);
    const auto after = revoke(before, name(test.revoked), kStart + 1h, kRevokedAt, counting(0x70));
    ASSERT_TRUE(after) << test.before << ": " << after.error().message;
    EXPECT_EQ(shape(*after), test.after) << test.before << " without " << test.revoked;
    EXPECT_GT(after->version(), before.version());
    EXPECT_EQ(after->version().term, before.version().term);
    EXPECT_EQ(after->lineage_not_before(), kRevokedAt);
    EXPECT_FALSE(after->opening_key(name(test.revoked), kStart + 1h));
    EXPECT_EQ(shape(before), test.before) << "rings are values";
  }
}

TEST(Revoke, a_created_key_seals_at_once_and_has_a_name_of_the_fleet) {
  const KeyRing before = ring("c5 p4");
  const auto after = revoke(before, name(5), kStart + 1h, kRevokedAt, counting(0x70));
  ASSERT_TRUE(after);
  const TicketKey* sealing = after->sealing_key(kStart + 1h);
  ASSERT_NE(sealing, nullptr);
  EXPECT_EQ(sealing->created, kStart + 1h);
  EXPECT_EQ(unmask_name(sealing->name, *before.name_key()), (NameParts{before.tag(), 6}));
}

// The name stays known as one of ours: its tickets count as past, not as foreign or future.
TEST(Revoke, highest_epoch_does_not_fall) {
  const KeyRing before = ring("n3 c2 p1");
  const auto after = revoke(before, name(3), kStart, kRevokedAt, counting(0x70));
  ASSERT_TRUE(after);
  EXPECT_EQ(after->highest_epoch(), 3U);
  const auto next = create_next(*after, kStart, counting(0x70));
  ASSERT_TRUE(next);
  EXPECT_EQ(shape(*next), "n4 c2 p1");
}

TEST(Revoke, lineage_limit_never_falls) {
  const auto once = revoke(ring("c3 p2 p1"), name(1), kStart, kRevokedAt, counting(0x70));
  ASSERT_TRUE(once);
  const auto earlier = revoke(*once, name(2), kStart, kRevokedAt - 1h, counting(0x70));
  ASSERT_TRUE(earlier);
  EXPECT_EQ(earlier->lineage_not_before(), kRevokedAt);
  const auto later = revoke(*once, name(2), kStart, kRevokedAt + 1h, counting(0x70));
  ASSERT_TRUE(later);
  EXPECT_EQ(later->lineage_not_before(), kRevokedAt + 1h);
  const auto rotated = rotate_embedded(*later, kStart, counting(0x80));
  ASSERT_TRUE(rotated);
  EXPECT_EQ(rotated->lineage_not_before(), kRevokedAt + 1h) << "rotation keeps it";
}

TEST(Revoke, works_on_a_full_ring) {
  KeyRing::Parts parts = ring("c64").parts();
  for (unsigned i = 1; i < kMaxKeys; ++i) {
    parts.entries.push_back({key_with(i, i), KeyState::kPrevious});
  }
  const auto full = KeyRing::make(parts);
  ASSERT_TRUE(full);
  const auto after = revoke(*full, name(64), kStart, kRevokedAt, counting(0xa8));
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_EQ(after->entries().size(), kMaxKeys);
  EXPECT_EQ(find_key(*after, KeyState::kCurrent)->key->epoch, 65U);
}

TEST(Revoke, refuses) {
  const RandomSource broken = [](std::span<std::byte>) { return false; };
  expect_refused(revoke(ring("c2 p1"), name(7), kStart, kRevokedAt, counting()),
                 "there is no key 07070707070707070707070707070707");
  expect_refused(revoke(KeyRing(), name(1), kStart, kRevokedAt, counting()), "there is no key");
  expect_refused(revoke(ring("c2 p1"), name(2), kStart, kRevokedAt, broken), "random");
  EXPECT_TRUE(revoke(ring("c2 p1"), name(1), kStart, kRevokedAt, broken)) << "needs no new key";
  expect_refused(revoke(foreign({1}), name(1), kStart, kRevokedAt, counting()), "name key");
}

TEST(WithKeys, imported_keys_open_only) {
  const KeyRing before = ring("n3 c2 p1");
  const auto after = with_keys(before, foreign({20, 21}), false);
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_EQ(shape(*after), "n3 c2 p1 p0 p0");
  EXPECT_EQ(after->version(), (KeyRing::Version{4, 11}));
  EXPECT_EQ(after->policy(), before.policy());
  EXPECT_EQ(after->sealing_key(kStart)->epoch, 2U);
  const auto found = after->opening_key(name(20), kStart);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->state, KeyState::kPrevious);
  EXPECT_FALSE(after->opening_key(name(20), kStart + 9h)) << "the ring's own limits hold";
}

TEST(WithKeys, replaces_only_what_it_is_told_to) {
  const auto once = with_keys(ring("n3 c2 p1"), foreign({20}), false);
  ASSERT_TRUE(once);
  auto changed = std::make_shared<TicketKey>();
  changed->name = name(20);
  std::ranges::fill(changed->aes.bytes(), std::byte{0x77});
  std::ranges::fill(changed->hmac.bytes(), std::byte{0x78});
  const auto keys = KeyRing::make({{1, 1}, {{changed, KeyState::kCurrent}}, {}});
  ASSERT_TRUE(keys);
  expect_refused(with_keys(*once, *keys, false), "is there already");
  const auto replaced = with_keys(*once, *keys, true);
  ASSERT_TRUE(replaced) << replaced.error().message;
  EXPECT_EQ(shape(*replaced), "n3 c2 p1 p0");
  EXPECT_EQ(find_key(*replaced, name(20))->key, changed);
  for (const unsigned sealing : {2U, 3U}) {
    expect_refused(with_keys(*once, foreign({sealing}), true), "rotate first");
  }
}

TEST(WithKeys, refuses) {
  const KeyRing before = ring("c2 p1");
  expect_refused(with_keys(before, foreign({20}, KeySize::kAes128), true), "48 bytes");
  // The same key bytes under another name.
  auto copy = std::make_shared<TicketKey>();
  copy->name = name(30);
  std::ranges::copy(before.entries()[0].key->aes.bytes(), copy->aes.bytes().begin());
  std::ranges::fill(copy->hmac.bytes(), std::byte{0x78});
  const auto twin = KeyRing::make({{1, 1}, {{copy, KeyState::kCurrent}}, {}});
  ASSERT_TRUE(twin);
  expect_refused(with_keys(before, *twin, true), "twice");
  KeyRing::Parts parts = ring("c64").parts();
  for (unsigned i = 1; i < kMaxKeys; ++i) {
    parts.entries.push_back({key_with(i, i), KeyState::kPrevious});
  }
  const auto full = KeyRing::make(parts);
  ASSERT_TRUE(full);
  expect_refused(with_keys(*full, foreign({90}), false), "at most 64");
}

TEST(ReplacedBy, takes_keys_names_and_epochs_of_the_export) {
  KeyRing::Parts parts = ring("n9 c8 p7", {77, 5000}).parts();
  parts.tag = {std::byte{0xab}};
  parts.name_key = name_key(0x33);
  parts.policy = {1h, 2h};
  parts.lineage_not_before = kRevokedAt;
  const auto keys = KeyRing::make(parts);
  ASSERT_TRUE(keys);
  const KeyRing before = ring("n3 c2 p1");
  const auto after = replaced_by(before, *keys);
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_EQ(shape(*after), "c8 p9 p7") << "a next key of others may be sealing elsewhere";
  EXPECT_EQ(after->version(), (KeyRing::Version{4, 11}));
  EXPECT_EQ(after->policy(), kPolicy);
  EXPECT_EQ(after->tag(), parts.tag);
  EXPECT_EQ(after->name_key(), parts.name_key);
  EXPECT_EQ(after->highest_epoch(), 9U);
  EXPECT_EQ(after->lineage_not_before(), kRevokedAt);
  const auto rotated = rotate_embedded(*after, kStart, counting(0x70));
  ASSERT_TRUE(rotated) << rotated.error().message;
  EXPECT_EQ(shape(*rotated), "c10 p9 p8 p7");
}

TEST(ReplacedBy, neither_epoch_nor_lineage_limit_falls) {
  const auto revoked = revoke(ring("c90 p1"), name(1), kStart, kRevokedAt, counting(0x70));
  ASSERT_TRUE(revoked);
  const auto after = replaced_by(*revoked, ring("c8"));
  ASSERT_TRUE(after);
  EXPECT_EQ(after->highest_epoch(), 90U);
  EXPECT_EQ(after->lineage_not_before(), kRevokedAt);
}

TEST(ReplacedBy, refuses) {
  expect_refused(replaced_by(ring("c2"), foreign({20})), "usher export");
  KeyRing::Parts parts = foreign({20}, KeySize::kAes128).parts();
  parts.name_key = name_key(1);
  const auto small = KeyRing::make(parts);
  ASSERT_TRUE(small);
  expect_refused(replaced_by(ring("c2"), *small), "48 bytes");
}

}  // namespace
}  // namespace usher::keyring::test
