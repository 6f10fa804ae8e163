#include <gtest/gtest.h>

#include "keyd/ring_import.h"
#include "support/test_fleet.h"

namespace usher::keyd {
namespace {

using namespace test;
using keyring::KeyFileFormat;
using keyring::KeyState;
using Names = std::vector<std::string>;
using Version = keyring::KeyRing::Version;

constexpr UnixSeconds kWall{std::chrono::seconds(1'800'000'000)};

keyring::KeyName name_of(const TestFleet& test, KeyState state) {
  return keyring::find_key(test.fleet.ring(), state)->key->name;
}

TEST(FleetRevoke, TheCurrentKeyGivesWayAtOnce) {
  TestFleet test;
  test.join(id("a"));
  const auto revoked = name_of(test, KeyState::kCurrent);
  ASSERT_TRUE(test.fleet.revoke(revoked, test.now, kWall));
  EXPECT_EQ(keyring::find_key(test.fleet.ring(), revoked), nullptr);
  EXPECT_EQ(test.current_epoch(), 2U);
  EXPECT_EQ(test.fleet.ring().lineage_not_before(), kWall);
  ASSERT_EQ(test.told<Promoted>().size(), 1U);
  EXPECT_TRUE(test.told<Promoted>()[0].forced);
  EXPECT_EQ(test.told<Promoted>()[0].without, Names{"a"});
  ASSERT_EQ(test.told<Rotated>().size(), 1U);
  EXPECT_EQ(test.told<Rotated>()[0].trigger, RotationTrigger::kRevoke);
}

TEST(FleetRevoke, TheCurrentKeyGivesWayToAHeldNext) {
  TestFleet test;
  test.join(id("a"));
  test.join(id("b"));
  ASSERT_TRUE(test.fleet.rotate(false, test.now));
  test.save();
  test.apply(id("a"));
  ASSERT_TRUE(test.fleet.revoke(name_of(test, KeyState::kCurrent), test.now, kWall));
  EXPECT_EQ(test.current_epoch(), 2U);
  EXPECT_EQ(test.fleet.ring().entries().size(), 1U);
  EXPECT_EQ(test.told<Promoted>()[0].without, Names{"b"});
}

TEST(FleetRevoke, NextAndPreviousAreOnlyRemoved) {
  TestFleet test;
  test.join(id("a"));
  ASSERT_TRUE(test.fleet.rotate(true, test.now));
  test.save();
  test.apply(id("a"));
  test.effects.clear();
  ASSERT_TRUE(test.fleet.rotate(false, test.now));
  for (const KeyState state : {KeyState::kNext, KeyState::kPrevious}) {
    ASSERT_TRUE(test.fleet.revoke(name_of(test, state), test.now, kWall));
    EXPECT_EQ(keyring::find_key(test.fleet.ring(), state), nullptr);
  }
  EXPECT_FALSE(test.fleet.held());
  EXPECT_EQ(test.current_epoch(), 2U);
  EXPECT_TRUE(test.told<Promoted>().empty());
}

TEST(FleetRevoke, AnUnknownNameIsRefused) {
  TestFleet test;
  const auto version = test.fleet.ring().version();
  EXPECT_FALSE(test.fleet.revoke(keyring::KeyName{}, test.now, kWall));
  EXPECT_EQ(test.fleet.ring().version(), version);
}

TEST(FleetRevoke, AFullRingHasRoom) {
  TestFleet test;
  while (test.fleet.ring().entries().size() < keyring::kMaxKeys) {
    ASSERT_TRUE(test.fleet.rotate(true, test.now));
  }
  EXPECT_TRUE(test.fleet.revoke(name_of(test, KeyState::kCurrent), test.now, kWall));
  EXPECT_EQ(test.fleet.ring().entries().size(), keyring::kMaxKeys);
}

TEST(FleetRevoke, WithoutRandomnessNothingChanges) {
  auto calls = std::make_shared<int>(0);
  auto fleet = Fleet::lead({}, 1, kPolicy, kStart,
                           [calls, count = counting()](std::span<std::byte> into) mutable {
                             return ++*calls <= 5 && count(into);
                           });
  ASSERT_TRUE(fleet);
  const auto name = fleet->ring().entries()[0].key->name;
  EXPECT_FALSE(fleet->revoke(name, kStart, kWall));
  EXPECT_NE(fleet->ring().sealing_key(kStart), nullptr);
  EXPECT_EQ(fleet->ring().lineage_not_before(), UnixSeconds{});
}

struct Ahead {
  const char* name;
  Version heard;
  Version risen;
};

// What a fleet at {5, 10} makes of a member that holds another ring.
class FleetHears : public testing::TestWithParam<Ahead> {
 protected:
  static FleetState at_five_nine() {
    TestFleet made({}, 4);
    FleetState state = made.fleet.state();
    state.ring = keyring::with_version(state.ring, {4, 9});
    return state;
  }
};

TEST_P(FleetHears, AndRisesAboveIt) {
  TestFleet test(at_five_nine(), 5);
  ASSERT_EQ(test.fleet.ring().version(), (Version{5, 10}));
  test.join(id("a"));
  ASSERT_TRUE(test.fleet.applied(id("a"), GetParam().heard, {}, test.now));
  EXPECT_EQ(test.fleet.ring().version(), GetParam().risen);
  const bool rose = GetParam().risen != Version{5, 10};
  EXPECT_EQ(test.told<RolledBack>().size(), rose ? 1U : 0U);
}

INSTANTIATE_TEST_SUITE_P(
    Rings, FleetHears,
    testing::Values(Ahead{"version_above", {5, 20}, {5, 21}},
                    Ahead{"equal_with_another_digest", {5, 10}, {5, 11}},
                    Ahead{"term_above", {7, 3}, {8, 11}}, Ahead{"both_above", {7, 300}, {8, 301}},
                    Ahead{"as_far_as_believed", {5 + kAheadMax, 10}, {5 + kAheadMax + 1, 11}},
                    Ahead{"below", {5, 9}, {5, 10}}, Ahead{"term_below", {4, 99}, {5, 10}}),
    [](const auto& of) { return of.param.name; });

TEST(FleetHearing, TooFarAheadIsNotBelieved) {
  TestFleet test;
  test.join(id("a"));
  const Version ours = test.fleet.ring().version();
  EXPECT_FALSE(test.fleet.applied(id("a"), {ours.term + kAheadMax + 1, 1}, {}, test.now));
  EXPECT_FALSE(
      test.fleet.applied(id("a"), {ours.term, ours.version + kAheadMax + 1}, {}, test.now));
  EXPECT_FALSE(test.fleet.applied(id("a"), {~0ULL, ~0ULL}, {}, test.now));
  EXPECT_EQ(test.fleet.ring().version(), ours);
}

TEST(FleetHearing, WhoAlwaysClaimsToBeAheadCostsOneRingASecond) {
  TestFleet test;
  test.join(id("a"));
  for (int i = 0; i < 100; ++i) {
    const Version ours = test.fleet.ring().version();
    ASSERT_TRUE(test.fleet.applied(id("a"), {ours.term, ours.version + 5}, {}, test.now));
    test.save();
  }
  EXPECT_EQ(test.told<RolledBack>().size(), 1U);
  EXPECT_LE(test.fleet.due(), test.now + 1s);
  test.pass(1s);
  EXPECT_EQ(test.told<RolledBack>().size(), 2U);
  EXPECT_GT(test.fleet.due(), test.now + 1s);
}

TEST(FleetHearing, AForeignRingTakesAcknowledgementsBack) {
  TestFleet test;
  test.join(id("a"));
  test.join(id("b"));
  ASSERT_TRUE(test.fleet.rotate(false, test.now));
  test.save();
  test.apply(id("a"));
  const Version ours = test.fleet.ring().version();
  test.fleet.applied(id("a"), {ours.term, ours.version + 1}, {}, test.now);
  EXPECT_EQ(test.waiting_for(), (Names{"a", "b"}));
}

// As other programs' files are read: no name key, no epochs.
keyring::KeyRing foreign(unsigned count, BootClock::time_point created = kStart,
                         keyring::KeySize size = keyring::KeySize::kAes256) {
  keyring::KeyRing::Parts parts;
  for (unsigned i = 0; i < count; ++i) {
    auto key = std::make_shared<keyring::TicketKey>();
    key->size = size;
    key->created = created;
    key->name.fill(static_cast<std::byte>(200 + i));
    std::ranges::fill(key->aes.bytes(), static_cast<std::byte>(100 + i));
    std::ranges::fill(key->hmac.bytes(), static_cast<std::byte>(150 + i));
    parts.entries.push_back({std::move(key), i == 0 ? KeyState::kCurrent : KeyState::kPrevious});
  }
  return *keyring::KeyRing::make(std::move(parts));
}

TEST(FleetImport, KeysOfOthersOnlyOpen) {
  TestFleet test;
  test.join(id("a"));
  const auto imported = test.fleet.import_keys(foreign(3), KeyFileFormat::kNginx, false, test.now);
  ASSERT_TRUE(imported);
  EXPECT_EQ(*imported, 3U);
  EXPECT_EQ(test.current_epoch(), 1U);
  EXPECT_EQ(test.next_epoch(), 0U);
  EXPECT_EQ(test.fleet.ring().entries().size(), 4U);
  EXPECT_FALSE(test.fleet.held());
}

TEST(FleetImport, ARefusedImportChangesNothing) {
  TestFleet test;
  ASSERT_TRUE(test.fleet.import_keys(foreign(2), KeyFileFormat::kHaproxy, false, test.now));
  const auto revision = test.fleet.revision();
  EXPECT_FALSE(test.fleet.import_keys(foreign(2), KeyFileFormat::kHaproxy, false, test.now));
  EXPECT_FALSE(test.fleet.import_keys(foreign(1, kStart, keyring::KeySize::kAes128),
                                      KeyFileFormat::kNginx, true, test.now));
  EXPECT_FALSE(test.fleet.import_keys(foreign(2), KeyFileFormat::kUsher, true, test.now));
  TestFleet other;
  EXPECT_FALSE(test.fleet.import_keys(other.fleet.ring(), KeyFileFormat::kUsher, false, test.now));
  EXPECT_EQ(test.fleet.revision(), revision);
}

TEST(FleetImport, ReplacesKeysThatOnlyOpen) {
  TestFleet test;
  ASSERT_TRUE(test.fleet.import_keys(foreign(2), KeyFileFormat::kHaproxy, false, test.now));
  ASSERT_TRUE(test.fleet.import_keys(foreign(2), KeyFileFormat::kHaproxy, true, test.now));
  EXPECT_EQ(test.fleet.ring().entries().size(), 3U);
}

// Another fleet's ring, with keys of its own.
keyring::KeyRing other_fleet(bool with_next) {
  const keyring::RandomSource random =
      [next = std::uint64_t{1'000'000}](std::span<std::byte> into) mutable {
        ++next;
        std::ranges::fill(into, std::byte{0x33});
        std::memcpy(into.data(), &next, std::min(into.size(), sizeof next));
        return true;
      };
  auto ring = *keyring::first_ring(kStart, kPolicy.ages, random);
  ring = *keyring::promote(*keyring::create_next(ring, kStart, random));
  return with_next ? *keyring::create_next(ring, kStart, random) : ring;
}

TEST(FleetImport, AWholeRingSealsOnlyWhenAllHaveIt) {
  TestFleet test;
  test.join(id("a"));
  ASSERT_TRUE(test.fleet.rotate(true, test.now));
  test.save();
  const auto sealing = name_of(test, KeyState::kCurrent);
  const auto ring = other_fleet(true);
  const auto wanted = keyring::find_key(ring, KeyState::kCurrent)->key->name;
  ASSERT_TRUE(test.fleet.import_keys(ring, KeyFileFormat::kUsher, true, test.now));
  test.save();
  EXPECT_EQ(name_of(test, KeyState::kCurrent), sealing);
  EXPECT_EQ(name_of(test, KeyState::kNext), wanted);
  EXPECT_EQ(test.fleet.ring().entries().size(), 4U);  // three of the file, our current
  EXPECT_EQ(test.waiting_for(), Names{"a"});
  test.effects.clear();
  test.apply(id("a"));
  EXPECT_EQ(name_of(test, KeyState::kCurrent), wanted);
  EXPECT_FALSE(test.told<Promoted>()[0].forced);
  EXPECT_EQ(test.fleet.ring().tag(), ring.tag());
}

TEST(FleetImport, OurOwnExportComesBackWithoutARotation) {
  TestFleet test;
  ASSERT_TRUE(test.fleet.rotate(false, test.now));
  test.save();
  const auto exported = test.fleet.ring();
  const auto sealing = name_of(test, KeyState::kCurrent);
  ASSERT_TRUE(test.fleet.import_keys(exported, KeyFileFormat::kUsher, true, test.now));
  EXPECT_EQ(name_of(test, KeyState::kCurrent), sealing);
  EXPECT_EQ(test.fleet.ring().entries().size(), exported.entries().size());
  EXPECT_FALSE(test.fleet.held());
}

TEST(FleetImport, ExpiredKeysDoNotStay) {
  TestFleet test;
  ASSERT_TRUE(
      test.fleet.import_keys(foreign(2, kStart - 9h), KeyFileFormat::kNginx, false, test.now));
  EXPECT_EQ(test.fleet.ring().entries().size(), 1U);
}

// It lost our next key with our ring, though our own may have to wait a second before it rises.
TEST(FleetRollback, WhoTookAnotherRingHoldsNextNoMore) {
  TestFleet test;
  test.join(id("a"));
  test.join(id("b"));
  const auto claim = [&](const MemberId& member) {
    auto version = test.fleet.ring().version();
    version.version += 5;
    EXPECT_TRUE(test.fleet.applied(member, version, {}, test.now));
    test.save();
  };
  claim(id("a"));
  ASSERT_EQ(test.told<RolledBack>().size(), 1U);
  ASSERT_TRUE(test.fleet.rotate(false, test.now));
  test.save();
  test.apply(id("a"));
  claim(id("a"));
  ASSERT_EQ(test.told<RolledBack>().size(), 1U);
  test.apply(id("b"));
  EXPECT_NE(test.next_epoch(), 0U);
  EXPECT_EQ(test.waiting_for(), std::vector<std::string>{"a"});
  test.pass(2s);
  EXPECT_EQ(test.told<RolledBack>().size(), 2U);
  test.apply(id("a"));
  test.apply(id("b"));
  EXPECT_EQ(test.next_epoch(), 0U);
}

}  // namespace
}  // namespace usher::keyd
