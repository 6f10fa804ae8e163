#include <gtest/gtest.h>

#include "support/test_fleet.h"

namespace usher::keyd {
namespace {

using namespace test;
using keyring::KeyState;
using Names = std::vector<std::string>;
using Version = keyring::KeyRing::Version;

TEST(FleetRotation, BeginsWithAFirstRingOfTheTerm) {
  TestFleet test({}, 7);
  EXPECT_EQ(test.fleet.ring().version(), (Version{7, 1}));
  EXPECT_EQ(test.current_epoch(), 1U);
  EXPECT_NE(test.fleet.ring().sealing_key(test.now), nullptr);
}

TEST(FleetRotation, ATakeOverKeepsKeysUnderTheNewTerm) {
  TestFleet before;
  TestFleet after(before.fleet.state(), 2, kPolicy, kStart + 1min);
  EXPECT_EQ(after.fleet.ring().version(), (Version{2, 2}));
  EXPECT_EQ(after.fleet.ring().entries()[0].key->name, before.fleet.ring().entries()[0].key->name);
}

TEST(FleetRotation, ATakeOverNeverLowersTheTerm) {
  TestFleet before({}, 9);
  TestFleet after(before.fleet.state(), 3);
  EXPECT_EQ(after.fleet.ring().version(), (Version{9, 2}));
}

TEST(FleetRotation, ATakeOverExpiresWhatBecameTooOld) {
  TestFleet before;
  TestFleet after(before.fleet.state(), 2, kPolicy, kStart + 9h);
  after.fleet.tick(after.now);
  after.save();
  EXPECT_EQ(after.fleet.ring().entries().size(), 1U);
  EXPECT_EQ(after.current_epoch(), 2U);  // no member: promoted when durable
}

TEST(FleetRotation, WaitsForAllMembers) {
  TestFleet test;
  test.join(id("a"));
  test.join(id("b"));
  ASSERT_TRUE(test.fleet.rotate(false, test.now));
  test.save();
  EXPECT_EQ(test.waiting_for(), (Names{"a", "b"}));
  test.apply(id("b"));
  EXPECT_EQ(test.waiting_for(), Names{"a"});
  EXPECT_EQ(test.current_epoch(), 1U);
  test.apply(id("a"));
  EXPECT_EQ(test.current_epoch(), 2U);
  EXPECT_EQ(test.next_epoch(), 0U);
  const auto promoted = test.told<Promoted>();
  ASSERT_EQ(promoted.size(), 1U);
  EXPECT_EQ(promoted[0].epoch, 2U);
  EXPECT_FALSE(promoted[0].forced);
  EXPECT_TRUE(promoted[0].without.empty());
}

TEST(FleetRotation, WithoutMembersWaitsForDurabilityOnly) {
  TestFleet test;
  ASSERT_TRUE(test.fleet.rotate(false, test.now));
  EXPECT_EQ(test.current_epoch(), 1U);
  test.save();
  EXPECT_EQ(test.current_epoch(), 2U);
  EXPECT_FALSE(test.told<Promoted>()[0].forced);
}

TEST(FleetRotation, AMemberThatIsToldBeforeTheSaveIsWaitedFor) {
  TestFleet test;
  ASSERT_TRUE(test.fleet.rotate(false, test.now));
  Report report;
  report.member.node = "elsewhere";
  report.member.last_heard = test.now;
  test.fleet.reported(report, test.now);
  test.save();
  EXPECT_EQ(test.current_epoch(), 1U);
  EXPECT_EQ(test.waiting_for(), Names{"elsewhere"});
}

TEST(FleetRotation, AnOlderRingsAcknowledgementDoesNotCount) {
  TestFleet test;
  test.join(id("a"));
  const auto old = test.fleet.ring();
  ASSERT_TRUE(test.fleet.rotate(false, test.now));
  test.save();
  test.fleet.applied(id("a"), old.version(), keyring::digest_of(old), test.now);
  test.save();
  EXPECT_EQ(test.current_epoch(), 1U);
}

TEST(FleetRotation, AcknowledgementsOutliveAChangeThatKeepsNext) {
  TestFleet test;
  test.join(id("a"));
  test.join(id("b"));
  ASSERT_TRUE(test.fleet.rotate(false, test.now));
  test.save();
  test.apply(id("a"));
  test.fleet.set_policy({{3h, 10h}, 1h, 10min}, test.now);
  test.save();
  EXPECT_EQ(test.waiting_for(), Names{"b"});
}

TEST(FleetRotation, TheScheduleCreatesAndPromotes) {
  TestFleet test;
  test.join(id("a"));
  test.pass(59min);
  EXPECT_EQ(test.next_epoch(), 0U);
  test.pass(1min);
  EXPECT_EQ(test.next_epoch(), 2U);
  test.apply(id("a"));
  EXPECT_EQ(test.current_epoch(), 2U);
  const auto rotated = test.told<Rotated>();
  ASSERT_EQ(rotated.size(), 1U);
  EXPECT_EQ(rotated[0].trigger, RotationTrigger::kSchedule);
}

TEST(FleetRotation, DueRotationsAreSkippedWhileHeld) {
  TestFleet test({}, 1, {{30h, 60h}, 1h, 24h});
  test.join(id("a"));
  test.pass(3h + 30min);
  EXPECT_EQ(test.next_epoch(), 2U);
  const auto rotated = test.told<Rotated>();
  ASSERT_EQ(rotated.size(), 3U);
  EXPECT_EQ(rotated[0].trigger, RotationTrigger::kSchedule);
  EXPECT_EQ(rotated[1].trigger, RotationTrigger::kSkipped);
  EXPECT_EQ(rotated[2].trigger, RotationTrigger::kSkipped);
}

TEST(FleetRotation, SkipsOnceAfterALongSleep) {
  TestFleet test({}, 1, {{300h, 600h}, 1h, 240h});
  test.join(id("a"));
  test.pass(1h);
  test.now += 100h;  // the machine slept
  test.fleet.heard(id("a"), test.now);
  test.fleet.tick(test.now);
  test.fleet.tick(test.now + 1s);
  EXPECT_EQ(test.told<Rotated>().size(), 2U);
}

TEST(FleetRotation, AHandRotationWhileHeldWaitsForTheSameKey) {
  TestFleet test;
  test.join(id("a"));
  ASSERT_TRUE(test.fleet.rotate(false, test.now));
  ASSERT_TRUE(test.fleet.rotate(false, test.now));
  EXPECT_EQ(test.next_epoch(), 2U);
  EXPECT_EQ(test.told<Rotated>().size(), 1U);
}

TEST(FleetRotation, TheLaggardIsNamedAfterASecondAndThenRarely) {
  TestFleet test;
  test.join(id("a"));
  test.join(id("b"));
  ASSERT_TRUE(test.fleet.rotate(false, test.now));
  test.save();
  test.apply(id("a"));
  test.pass(500ms);
  EXPECT_TRUE(test.told<PromotionHeld>().empty());
  test.pass(500ms);
  const auto held = test.told<PromotionHeld>();
  ASSERT_EQ(held.size(), 1U);
  EXPECT_EQ(held[0].waiting_for, Names{"b"});
  EXPECT_EQ(held[0].epoch, 2U);
  test.pass(59s);
  EXPECT_EQ(test.told<PromotionHeld>().size(), 1U);
  test.pass(2s);
  EXPECT_EQ(test.told<PromotionHeld>().size(), 2U);
}

TEST(FleetRotation, NowIsForcedAndNamesWhoLacksTheKey) {
  TestFleet test;
  test.join(id("a"));
  ASSERT_TRUE(test.fleet.rotate(true, test.now));
  EXPECT_EQ(test.current_epoch(), 2U);
  const auto promoted = test.told<Promoted>();
  ASSERT_EQ(promoted.size(), 1U);
  EXPECT_TRUE(promoted[0].forced);
  EXPECT_EQ(promoted[0].without, Names{"a"});
}

TEST(FleetRotation, NowForcesWhatIsHeld) {
  TestFleet test;
  test.join(id("a"));
  test.join(id("b"));
  ASSERT_TRUE(test.fleet.rotate(false, test.now));
  test.save();
  test.apply(id("a"));
  ASSERT_TRUE(test.fleet.rotate(true, test.now));
  EXPECT_EQ(test.current_epoch(), 2U);
  EXPECT_EQ(test.told<Promoted>()[0].without, Names{"b"});
}

struct Leaving {
  const char* how;
  bool forced;
  void (*leave)(TestFleet&);
};

class FleetLaggard : public testing::TestWithParam<Leaving> {};

// The last one that a promotion waits for goes away.
TEST_P(FleetLaggard, LeavesAndThePromotionGoesOn) {
  TestFleet test;
  test.join(id("a"));
  test.join(id("b"));
  ASSERT_TRUE(test.fleet.rotate(false, test.now));
  test.save();
  test.apply(id("a"));
  GetParam().leave(test);
  test.save();
  EXPECT_EQ(test.current_epoch(), 2U);
  const auto promoted = test.told<Promoted>();
  ASSERT_EQ(promoted.size(), 1U);
  EXPECT_EQ(promoted[0].forced, GetParam().forced);
  EXPECT_EQ(promoted[0].without, GetParam().forced ? Names{"b"} : Names{});
}

INSTANTIATE_TEST_SUITE_P(
    Ways, FleetLaggard,
    testing::Values(
        Leaving{"bye", false, [](TestFleet& test) { test.fleet.bye(id("b"), test.now); }},
        Leaving{"forgotten", true, [](TestFleet& test) { test.fleet.forget("b", test.now); }},
        Leaving{"silent", true, [](TestFleet& test) { test.pass(10min, {"b"}); }},
        Leaving{"behind", true,
                [](TestFleet& test) {
                  test.fleet.pushed(id("b"), test.now);
                  test.pass(10min);
                }},
        Leaving{"replaced", false,
                [](TestFleet& test) {
                  test.fleet.closed(id("b"), test.now);
                  test.join(id("b", 2));
                }}),
    [](const auto& of) { return of.param.how; });

TEST(FleetRotation, AConnectedMemberThatWasNotPushedToIsNotBehind) {
  TestFleet test;
  test.join(id("a"));
  ASSERT_TRUE(test.fleet.rotate(false, test.now));
  test.save();
  test.pass(30min);
  EXPECT_EQ(test.waiting_for(), Names{"a"});
}

TEST(FleetRotation, AMemberThatJoinsWhileHeldIsWaitedFor) {
  TestFleet test;
  test.join(id("a"));
  ASSERT_TRUE(test.fleet.rotate(false, test.now));
  ASSERT_TRUE(test.fleet.hello(id("b"), test.now));
  test.save();
  test.apply(id("a"));
  EXPECT_EQ(test.current_epoch(), 1U);
  test.apply(id("b"));
  EXPECT_EQ(test.current_epoch(), 2U);
}

TEST(FleetRotation, AHeldPromotionGoesOnUnderANewLeader) {
  TestFleet before;
  before.join(id("a"));
  ASSERT_TRUE(before.fleet.rotate(false, before.now));
  before.save();
  TestFleet after(before.fleet.state(), 2, kPolicy, kStart + 61min);
  after.fleet.tick(after.now);
  EXPECT_EQ(after.waiting_for(), Names{"a"});
  EXPECT_TRUE(after.told<Rotated>().empty());
  after.apply(id("a"));
  EXPECT_EQ(after.current_epoch(), 2U);
}

TEST(FleetRotation, AnAcknowledgementOfTheOldTermDoesNotCountInTheNew) {
  TestFleet before;
  before.join(id("a"));
  ASSERT_TRUE(before.fleet.rotate(false, before.now));
  before.save();
  const auto old = before.fleet.ring();
  TestFleet after(before.fleet.state(), 2);
  after.fleet.applied(id("a"), old.version(), keyring::digest_of(old), after.now);
  after.save();
  EXPECT_EQ(after.current_epoch(), 1U);
}

TEST(FleetRotation, KeysExpire) {
  TestFleet test;
  test.pass(10h);  // no members: every due rotation is promoted
  EXPECT_LE(test.fleet.ring().entries().size(), 10U);
  for (const auto& entry : test.fleet.ring().entries()) {
    EXPECT_LT(test.now - entry.key->created, 9h);
  }
}

TEST(FleetRotation, NeverAsksToBeWokenInThePast) {
  TestFleet test;
  for (int i = 0; i < 36; ++i) {
    test.pass(20min);
    EXPECT_GT(test.fleet.due(), test.now);
  }
}

TEST(FleetRotation, AFullRingRefusesAHandRotationAndSkipsADueOne) {
  TestFleet test;
  while (test.fleet.ring().entries().size() < keyring::kMaxKeys) {
    ASSERT_TRUE(test.fleet.rotate(false, test.now));
    test.save();
  }
  const auto version = test.fleet.ring().version();
  EXPECT_FALSE(test.fleet.rotate(false, test.now));
  EXPECT_FALSE(test.fleet.rotate(true, test.now));
  EXPECT_EQ(test.fleet.ring().version(), version);
  test.effects.clear();
  test.pass(1h);
  ASSERT_EQ(test.told<Rotated>().size(), 1U);
  EXPECT_EQ(test.told<Rotated>()[0].trigger, RotationTrigger::kSkipped);
}

TEST(FleetRotation, WithoutRandomnessTriesAgain) {
  bool works = true;
  auto random = [&works, count = counting()](std::span<std::byte> into) mutable {
    return works && count(into);
  };
  auto fleet = Fleet::lead({}, 1, kPolicy, kStart, random);
  ASSERT_TRUE(fleet);
  fleet->saved(fleet->ring().version(), kStart);
  works = false;
  fleet->tick(kStart + 1h);
  const auto effects = fleet->take_effects();
  ASSERT_EQ(effects.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<RotationFailed>(effects[0]));
  EXPECT_FALSE(fleet->rotate(false, kStart + 1h));
  works = true;
  fleet->tick(kStart + 1h + 1s);
  EXPECT_NE(keyring::find_key(fleet->ring(), KeyState::kNext), nullptr);
  works = false;
  EXPECT_FALSE(Fleet::lead({}, 1, kPolicy, kStart, random));
}

TEST(FleetRotation, ANewIntervalCountsFromTheNewestKey) {
  TestFleet test;
  test.pass(30min);
  test.fleet.set_policy({{3h, 9h}, 31min, 10min}, test.now);
  test.pass(1min);
  EXPECT_EQ(test.current_epoch(), 2U);
}

}  // namespace
}  // namespace usher::keyd
