#include <gtest/gtest.h>

#include "support/test_fleet.h"

namespace usher::keyd {
namespace {

using namespace test;

std::vector<MemberId> members_of(const Fleet& fleet) {
  std::vector<MemberId> ids;
  for (const auto& [member, seat] : fleet.members()) {
    ids.push_back(member);
  }
  return ids;
}

using Ids = std::vector<MemberId>;

TEST(FleetMembers, HelloJoinsAndMustBeSaved) {
  TestFleet test;
  const auto before = test.fleet.revision();
  EXPECT_TRUE(test.fleet.hello(id("a"), test.now));
  EXPECT_GT(test.fleet.revision(), before);
  EXPECT_EQ(test.fleet.state().members.size(), 1U);
  EXPECT_EQ(test.told<MemberJoined>().size(), 1U);
}

TEST(FleetMembers, HelloOfAKnownMemberChangesNothingDurable) {
  TestFleet test;
  test.join(id("a"));
  const auto before = test.fleet.revision();
  EXPECT_TRUE(test.fleet.hello(id("a"), test.now + 1s));
  EXPECT_EQ(test.fleet.revision(), before);
}

TEST(FleetMembers, ByeRemoves) {
  TestFleet test;
  test.join(id("a"));
  test.fleet.bye(id("a"), test.now);
  EXPECT_TRUE(test.fleet.members().empty());
}

TEST(FleetMembers, AClosedConnectionRemovesNobody) {
  TestFleet test;
  test.join(id("a"));
  test.fleet.closed(id("a"), test.now);
  test.pass(9min, {"a"});
  EXPECT_EQ(members_of(test.fleet), Ids{id("a")});
}

TEST(FleetMembers, SilenceForPromoteHoldMaxRemoves) {
  TestFleet test;
  test.join(id("a"));
  test.fleet.closed(id("a"), test.now);
  test.pass(10min, {"a"});
  EXPECT_TRUE(test.fleet.members().empty());
  const auto left = test.told<MemberLeft>();
  ASSERT_EQ(left.size(), 1U);
  EXPECT_EQ(left[0].reason, LeaveReason::kSilent);
  EXPECT_FALSE(left[0].lacked_next);
}

TEST(FleetMembers, ANewLeaderRemovesNobodyForOldSilence) {
  TestFleet before;
  before.join(id("a"));
  TestFleet after(before.fleet.state(), 2, kPolicy, kStart + 1h);
  after.fleet.tick(after.now);
  EXPECT_EQ(members_of(after.fleet), Ids{id("a")});
  after.pass(10min, {"a"});
  EXPECT_TRUE(after.fleet.members().empty());
}

TEST(FleetMembers, ANewInstanceReplacesOneWhoseConnectionIsClosed) {
  TestFleet test;
  test.join(id("a", 1));
  test.fleet.closed(id("a", 1), test.now);
  test.join(id("a", 2));
  EXPECT_EQ(members_of(test.fleet), (Ids{id("a", 2)}));
  EXPECT_TRUE(test.told<DuplicateNode>().empty());
}

TEST(FleetMembers, ANewInstanceReplacesOneThatIsNotHeardWhenAsked) {
  TestFleet test;
  test.join(id("a", 1));
  test.join(id("a", 2));
  ASSERT_EQ(test.told<ProbeMember>().size(), 1U);
  EXPECT_EQ(test.told<ProbeMember>()[0].id, id("a", 1));
  test.now += 5s;
  test.fleet.heard(id("a", 2), test.now);
  test.fleet.tick(test.now);
  EXPECT_EQ(members_of(test.fleet), (Ids{id("a", 2)}));
  EXPECT_TRUE(test.told<DuplicateNode>().empty());
}

TEST(FleetMembers, ANewInstanceReplacesOneThatClosesBeforeItIsHeard) {
  TestFleet test;
  test.join(id("a", 1));
  test.join(id("a", 2));
  test.fleet.closed(id("a", 1), test.now + 1s);
  EXPECT_EQ(members_of(test.fleet), (Ids{id("a", 2)}));
}

TEST(FleetMembers, TwoLiveProxiesOfOneNameAreBothMembersAndToldOnce) {
  TestFleet test;
  test.join(id("a", 1));
  test.join(id("a", 2));
  test.pass(30s);
  EXPECT_EQ(members_of(test.fleet), (Ids{id("a", 1), id("a", 2)}));
  EXPECT_EQ(test.told<DuplicateNode>().size(), 1U);
  test.fleet.closed(id("a", 1), test.now);
  EXPECT_EQ(members_of(test.fleet).size(), 2U);
}

TEST(FleetMembers, OtherNodesAreNotReplaced) {
  TestFleet test;
  test.join(id("a", 1));
  test.join(id("ab", 1));
  test.fleet.closed(id("a", 1), test.now);
  test.fleet.closed(id("ab", 1), test.now);
  test.join(id("aa", 2));
  EXPECT_EQ(members_of(test.fleet), (Ids{id("a", 1), id("aa", 2), id("ab", 1)}));
}

TEST(FleetMembers, ForgetRemovesAllInstancesOfTheNode) {
  TestFleet test;
  test.join(id("a", 1));
  test.join(id("a", 2));
  test.join(id("b"));
  EXPECT_EQ(test.fleet.forget("a", test.now), (Ids{id("a", 1), id("a", 2)}));
  EXPECT_EQ(members_of(test.fleet), Ids{id("b")});
  EXPECT_TRUE(test.fleet.forget("c", test.now).empty());
}

TEST(FleetMembers, AreBounded) {
  TestFleet test;
  for (std::size_t i = 0; i < kMembersMax; ++i) {
    ASSERT_TRUE(test.fleet.hello(id("n" + std::to_string(i)), test.now));
  }
  EXPECT_FALSE(test.fleet.hello(id("one-more"), test.now));
  EXPECT_TRUE(test.fleet.hello(id("n7"), test.now));
  EXPECT_EQ(test.fleet.members().size(), kMembersMax);
}

TEST(FleetMembers, AMemberDroppedAsSilentComesBackWhenItAnswers) {
  TestFleet test;
  test.join(id("a"));
  test.pass(10min, {"a"});
  ASSERT_TRUE(test.fleet.members().empty());
  test.apply(id("a"));
  EXPECT_EQ(members_of(test.fleet), Ids{id("a")});
}

Report report_of(const MemberId& member, BootClock::time_point heard, bool gone = false) {
  Report report;
  report.member.node = member.node;
  report.member.instance = member.instance;
  report.member.last_heard = heard;
  report.gone = gone;
  return report;
}

TEST(FleetReports, AnUnknownMemberOfAnotherKeydJoins) {
  TestFleet test;
  test.fleet.reported(report_of(id("a"), test.now - 1s), test.now);
  EXPECT_EQ(members_of(test.fleet), Ids{id("a")});
  EXPECT_FALSE(test.fleet.members().at(id("a")).connected);
}

TEST(FleetReports, ATimelyReportKeepsAMember) {
  TestFleet test;
  test.join(id("a"));
  for (int i = 0; i < 20; ++i) {
    test.pass(1min, {"a"});
    test.fleet.reported(report_of(id("a"), test.now), test.now);
  }
  EXPECT_EQ(members_of(test.fleet), Ids{id("a")});
}

TEST(FleetReports, WhatWasHeardBeforeItLeftRevivesNobody) {
  TestFleet test;
  test.join(id("a"));
  test.fleet.bye(id("a"), test.now);
  test.fleet.reported(report_of(id("a"), test.now + 1s), test.now + 2s);
  EXPECT_TRUE(test.fleet.members().empty());
  test.fleet.reported(report_of(id("a"), test.now + 8s), test.now + 8s);
  EXPECT_EQ(members_of(test.fleet), Ids{id("a")});
}

// A leader that never knew the old instance cannot tell at once which of the two lives.
TEST(FleetReports, AReplacedInstanceIsDroppedByANewLeaderWhenItIsNotHeardAgain) {
  TestFleet test;
  test.join(id("a", 2));
  const Report stale = report_of(id("a", 1), test.now - 3s);
  test.fleet.reported(stale, test.now);
  EXPECT_EQ(members_of(test.fleet), (Ids{id("a", 1), id("a", 2)}));
  for (int i = 0; i < 12; ++i) {
    test.pass(1s, {"a"});
    test.fleet.heard(id("a", 2), test.now);
    test.fleet.reported(stale, test.now);
  }
  EXPECT_EQ(members_of(test.fleet), (Ids{id("a", 2)}));
  EXPECT_TRUE(test.told<DuplicateNode>().empty());
}

TEST(FleetReports, TwoThatAreHeardAreTwoProxies) {
  TestFleet test;
  test.join(id("a", 2));
  for (int i = 0; i < 4; ++i) {
    test.fleet.reported(report_of(id("a", 1), test.now), test.now);
    test.pass(5s, {"a"});
    test.fleet.heard(id("a", 2), test.now);
  }
  EXPECT_EQ(members_of(test.fleet).size(), 2U);
  EXPECT_EQ(test.told<DuplicateNode>().size(), 1U);
}

TEST(FleetReports, LongSilentStrangersAreNoMembers) {
  TestFleet test;
  test.fleet.reported(report_of(id("a"), test.now - 1min), test.now);
  EXPECT_TRUE(test.fleet.members().empty());
}

TEST(FleetReports, AByeToAnotherKeydRemoves) {
  TestFleet test;
  test.join(id("a"));
  test.fleet.reported(report_of(id("a"), test.now, true), test.now);
  EXPECT_TRUE(test.fleet.members().empty());
}

TEST(FleetReports, ANewInstanceAtAnotherKeydReplacesADisconnectedOne) {
  TestFleet test;
  test.join(id("a", 1));
  test.fleet.closed(id("a", 1), test.now);
  test.now += 1min;
  for (int i = 0; i < 4; ++i) {
    test.fleet.reported(report_of(id("a", 2), test.now), test.now);
    test.pass(4s, {"a"});
  }
  EXPECT_EQ(members_of(test.fleet), (Ids{id("a", 2)}));
}

TEST(FleetReports, AcknowledgementsCount) {
  TestFleet test;
  test.join(id("a"));
  ASSERT_TRUE(test.fleet.rotate(false, test.now));
  test.save();
  Report report = report_of(id("a"), test.now);
  report.member.applied = test.fleet.ring().version();
  report.member.applied_digest = keyring::digest_of(test.fleet.ring());
  test.fleet.reported(report, test.now);
  EXPECT_EQ(test.current_epoch(), 2U);
  EXPECT_FALSE(test.told<Promoted>()[0].forced);
}

TEST(FleetReports, TellWhenTheNextKeyWasPushedElsewhere) {
  TestFleet test;
  test.join(id("a"));
  ASSERT_TRUE(test.fleet.rotate(false, test.now));
  test.save();
  Report report = report_of(id("a"), test.now);
  report.member.next_pushed = test.now;
  test.fleet.reported(report, test.now);
  test.pass(10min);  // it is heard all the while
  EXPECT_TRUE(test.fleet.members().empty());
  EXPECT_EQ(test.told<MemberLeft>()[0].reason, LeaveReason::kBehind);
  EXPECT_TRUE(test.told<Promoted>()[0].forced);
}

TEST(FleetReports, APushOfAnEarlierNextDoesNotCount) {
  TestFleet test;
  test.join(id("a"));
  const auto earlier = test.now;
  test.now += 1min;
  ASSERT_TRUE(test.fleet.rotate(false, test.now));
  test.save();
  Report report = report_of(id("a"), test.now);
  report.member.next_pushed = earlier;
  test.fleet.reported(report, test.now);
  EXPECT_FALSE(test.fleet.members().at(id("a")).member.next_pushed);
}

// A keyd that was killed leaves its reports in the store; whoever leads next must not take the dead
// for living.
TEST(FleetMembers, WhoWasReplacedStaysAwayUnderTheNextLeader) {
  TestFleet before;
  before.join(id("a", 1));
  before.fleet.closed(id("a", 1), before.now);
  before.join(id("a", 2));
  EXPECT_EQ(members_of(before.fleet), Ids{id("a", 2)});

  TestFleet after(before.fleet.state(), 2, kPolicy, before.now + 1s);
  after.fleet.reported(report_of(id("a", 1), before.now - 1s), after.now);
  EXPECT_EQ(members_of(after.fleet), Ids{id("a", 2)});
}

TEST(FleetMembers, OfTwoInstancesInTheStateTheSilentOneIsDropped) {
  TestFleet before;
  before.join(id("a", 1));
  before.join(id("a", 2));  // both connected: not decided yet
  ASSERT_EQ(members_of(before.fleet).size(), 2U);

  TestFleet after(before.fleet.state(), 2, kPolicy, before.now + 1s);
  for (int second = 0; second < 13; ++second) {
    after.now += 1s;
    after.fleet.heard(id("a", 2), after.now);
    after.fleet.tick(after.now);
  }
  EXPECT_EQ(members_of(after.fleet), Ids{id("a", 2)});
  EXPECT_TRUE(after.told<DuplicateNode>().empty());
}

TEST(FleetMembers, TwinsThatBothLiveBothStayUnderTheNextLeader) {
  TestFleet before;
  before.join(id("a", 1));
  before.join(id("a", 2));
  TestFleet after(before.fleet.state(), 2, kPolicy, before.now + 1s);
  after.pass(20s);
  EXPECT_EQ(members_of(after.fleet).size(), 2U);
  EXPECT_EQ(after.told<DuplicateNode>().size(), 1U);
}

}  // namespace
}  // namespace usher::keyd
