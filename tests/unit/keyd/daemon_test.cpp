#include "keyd/daemon.h"

#include <algorithm>
#include <array>
#include <thread>

#include "proxy/base/process.h"

#include "tests/unit/keyd/support/daemon_test.h"
#include "tests/unit/uv/support/loop_test.h"

namespace usher::keyd::test {
namespace {

using keyring::find_key;
using keyring::KeyState;

// --- no ring leaves before it is durable, nor to whom is not a durable member

TEST_F(DaemonTest, NothingIsPushedBeforeTheStoreHasIt) {
  const auto subscriber = join("a");
  lead();
  pass();
  ASSERT_EQ(ledger_.saves.size(), 1U);
  EXPECT_TRUE(subscriber->rings().empty());
  ledger_.saved();
  ASSERT_TRUE(gets_rings(*subscriber, 1));
  subscriber->apply();
  int status = 0;
  daemon_->rotate(false, noted(status));
  pass();
  EXPECT_EQ(subscriber->rings().size(), 1U);
  EXPECT_EQ(status, 0);
  ledger_.saved();
  EXPECT_EQ(status, 200);
  ASSERT_TRUE(gets_rings(*subscriber, 2));
  EXPECT_NE(find_key(subscriber->rings().back(), KeyState::kNext), nullptr);
}

TEST_F(DaemonTest, NobodyGetsARingBeforeItsMembershipIsDurable) {
  lead();
  ledger_.save_all();
  ASSERT_NE(daemon_->ring(), nullptr);
  const auto subscriber = join("a");
  pass();
  EXPECT_TRUE(subscriber->rings().empty());
  ASSERT_EQ(ledger_.saves.size(), 1U);
  EXPECT_EQ(nodes_of(ledger_.saves.front().state), std::vector<std::string>{"a"});
  ledger_.saved();
  EXPECT_TRUE(gets_rings(*subscriber, 1));
}

// Its HELLO comes while a ring without it is on its way to the disk.
TEST_F(DaemonTest, WhoComesDuringASaveWaitsForTheNext) {
  lead();
  const auto subscriber = join("a");
  pass();
  ASSERT_TRUE(ledger_.saves.front().state.members.empty());
  ledger_.saved();
  pass();
  EXPECT_TRUE(subscriber->rings().empty());
  ledger_.saved();
  EXPECT_TRUE(gets_rings(*subscriber, 1));
}

TEST_F(DaemonTest, AKeySealsOnlyWhenAllHaveItAndThatIsDurable) {
  lead();
  ledger_.save_all();
  const auto a = join("a");
  const auto b = join("b");
  ledger_.save_all();
  ASSERT_TRUE(gets_rings(*a, 1) && gets_rings(*b, 1));
  int status = 0;
  daemon_->rotate(false, noted(status));
  ledger_.save_all();
  const auto holds_next = [](Subscriber& subscriber) {
    return find_key(subscriber.rings().back(), KeyState::kNext) != nullptr;
  };
  ASSERT_TRUE(until([&] { return holds_next(*a) && holds_next(*b); }));
  const auto next = find_key(a->rings().back(), KeyState::kNext)->key->name;
  a->apply();
  pass();
  EXPECT_TRUE(ledger_.saves.empty());
  b->apply();
  ASSERT_TRUE(until([&] { return !ledger_.saves.empty(); }));
  EXPECT_TRUE(holds_next(*a) && holds_next(*b));
  ledger_.saved();
  ASSERT_TRUE(until([&] { return !holds_next(*a) && !holds_next(*b); }));
  EXPECT_EQ(find_key(a->rings().back(), KeyState::kCurrent)->key->name, next);
}

TEST_F(DaemonTest, ASaveThatFailsIsToldAndTriedAgain) {
  lead();
  ledger_.save_all();
  const auto subscriber = join("a");
  ledger_.save_all();
  ASSERT_TRUE(gets_rings(*subscriber, 1));
  int status = 0;
  daemon_->rotate(true, noted(status));
  ledger_.saved(fail("the disk is full"));
  EXPECT_EQ(status, 503);
  EXPECT_EQ(subscriber->rings().size(), 1U);
  const auto asked = ledger_.saves_asked;
  pass();
  EXPECT_EQ(ledger_.saves_asked, asked) << "not in a busy loop";
  ASSERT_TRUE(until([&] { return !ledger_.saves.empty(); }));
  ledger_.save_all();
  EXPECT_TRUE(gets_rings(*subscriber, 2));
}

// --- a lease that may be over

TEST_F(DaemonTest, WhatMayNotBePushedYetIsPushedLater) {
  const auto subscriber = join("a");
  lead();
  ledger_.may_push = false;
  ledger_.save_all();
  pass(1200ms);
  EXPECT_TRUE(subscriber->rings().empty());
  ledger_.may_push = true;
  EXPECT_TRUE(gets_rings(*subscriber, 1));
}

TEST_F(DaemonTest, WithoutAStoreNothingIsPushed) {
  lead();
  ledger_.save_all();
  const auto old = join("old");
  ledger_.save_all();
  ASSERT_TRUE(gets_rings(*old, 1));
  ledger_.events.on_lost("no answer");
  const auto young = join("young");
  old->send(push::Pull{});
  pass();
  EXPECT_TRUE(young->rings().empty());
  EXPECT_EQ(old->rings().size(), 1U);
  EXPECT_TRUE(ledger_.saves.empty());
}

// Else the next promotion would wait for a proxy that was shut down in good order.
TEST_F(DaemonTest, AByeWithoutAStoreIsNotForgotten) {
  lead(1);
  const auto subscriber = join("a");
  ledger_.save_all();
  ASSERT_TRUE(gets_rings(*subscriber, 1));
  const FleetState state = ledger_.last_saved();
  ASSERT_EQ(state.members.size(), 1U);
  ledger_.events.on_lost("no answer");
  subscriber->send(push::Bye{});
  ASSERT_TRUE(until([&] { return subscriber->said_bye(); }));
  ledger_.events.on_leading(state, 2);
  EXPECT_TRUE(daemon_->members().empty());

  ledger_.events.on_lost("no answer");
  const auto other = join("b");
  other->send(push::Bye{});
  ASSERT_TRUE(until([&] { return other->said_bye(); }));
  follow(state);
  ASSERT_EQ(ledger_.reports.size(), 1U);
  EXPECT_TRUE(ledger_.reports.front().report.gone);
  EXPECT_EQ(ledger_.reports.front().report.member.node, "b");
}

TEST_F(DaemonTest, ASaveOfAnEarlierReignDoesNotCount) {
  lead(1);
  const auto subscriber = join("a");
  FakeStore::Saving first = std::move(ledger_.saves.front());
  ledger_.saves.pop_front();
  ledger_.events.on_lost("no answer");
  lead(2);
  first.done({});
  pass();
  EXPECT_TRUE(subscriber->rings().empty());
  ledger_.save_all();
  ASSERT_TRUE(gets_rings(*subscriber, 1));
  EXPECT_EQ(subscriber->rings().front().version().term, 2U);
}

// --- standing by

TEST_F(DaemonTest, AStandbyAdmitsWhomTheLeaderCanKnow) {
  follow(state_of({3, 4}));
  const auto subscriber = join("a");
  pass();
  EXPECT_TRUE(subscriber->rings().empty());
  ASSERT_FALSE(ledger_.reports.empty());
  EXPECT_EQ(ledger_.reports.front().report.member.node, "a");
  ledger_.reported(fail("no connection"));
  pass();
  EXPECT_TRUE(subscriber->rings().empty());
  ASSERT_TRUE(until([&] { return !ledger_.reports.empty(); })) << "told again";
  ledger_.report_all();
  ASSERT_TRUE(gets_rings(*subscriber, 1));
  EXPECT_EQ(subscriber->rings().front().version(), (KeyRing::Version{3, 4}));
}

TEST_F(DaemonTest, AReportToAnEarlierLeaderDoesNotAdmit) {
  follow(state_of({3, 4}));
  const auto subscriber = join("a");
  FakeStore::Reporting first = std::move(ledger_.reports.front());
  ledger_.reports.clear();
  ledger_.events.on_following(state_of({4, 5}), "third:ctl.sock");
  first.done({});
  pass();
  EXPECT_TRUE(subscriber->rings().empty());
  ledger_.report_all();
  ASSERT_TRUE(gets_rings(*subscriber, 1));
  EXPECT_EQ(subscriber->rings().front().version(), (KeyRing::Version{4, 5}));
}

TEST_F(DaemonTest, AStandbyPushesWhatTheLeaderStores) {
  const FleetState state = state_of({3, 4});
  follow(state);
  const auto subscriber = join("a");
  ledger_.report_all();
  ASSERT_TRUE(gets_rings(*subscriber, 1));
  follow(following(state));
  ASSERT_TRUE(gets_rings(*subscriber, 2));
  EXPECT_EQ(subscriber->rings().back().version(), (KeyRing::Version{3, 5}));
  ledger_.reports.clear();
  subscriber->apply();
  ASSERT_TRUE(until([&] { return !ledger_.reports.empty(); }));
  EXPECT_EQ(ledger_.reports.front().report.member.applied, (KeyRing::Version{3, 5}));
}

// --- commands

TEST_F(DaemonTest, OnlyTheLeaderTakesCommands) {
  const auto statuses = [&] {
    std::vector<int> all(4);
    daemon_->rotate(true, noted(all[0]));
    daemon_->revoke({}, noted(all[1]));
    daemon_->import_keys(keyring::KeyFileFormat::kNginx, SecretBuffer(80), false, noted(all[2]));
    daemon_->forget("a", noted(all[3]));
    return all;
  };
  EXPECT_EQ(statuses(), (std::vector<int>{503, 503, 503, 503}));
  follow(state_of({3, 4}, {"a"}));
  EXPECT_EQ(statuses(), (std::vector<int>{409, 409, 409, 409}));
  ledger_.events.on_lost("no answer");
  EXPECT_EQ(statuses(), (std::vector<int>{503, 503, 503, 503}));
  EXPECT_TRUE(ledger_.saves.empty());
}

TEST_F(DaemonTest, ACommandThatWaitsIsToldOfTheLoss) {
  lead();
  ledger_.save_all();
  int status = 0;
  daemon_->rotate(true, noted(status));
  EXPECT_EQ(status, 0);
  ledger_.events.on_lost("the lease is gone");
  EXPECT_EQ(status, 503);
}

// --- hostile subscribers

TEST_F(DaemonTest, WhoPullsAllTheTimeGetsARingASecond) {
  const auto subscriber = join("a");
  lead();
  ledger_.save_all();
  ASSERT_TRUE(gets_rings(*subscriber, 1));
  for (int i = 0; i < 20; ++i) {
    subscriber->send(push::Pull{});
    pass(5ms);
  }
  EXPECT_EQ(subscriber->rings().size(), 2U);
  pass(1s);
  subscriber->send(push::Pull{});
  EXPECT_TRUE(gets_rings(*subscriber, 3));
}

TEST_F(DaemonTest, SilentStrangersKeepNobodyOut) {
  (void)raise_descriptor_limit();
  lead();
  ledger_.save_all();
  std::vector<std::unique_ptr<Subscriber>> strangers;
  for (int i = 0; i < 1100; ++i) {
    strangers.push_back(std::make_unique<Subscriber>(path(), MemberId{"stranger", {}}));
    if (i % 10 == 9) {  // the socket's queue is short
      pass(1ms);
    }
  }
  const auto subscriber = join("a");
  ledger_.save_all();
  EXPECT_TRUE(gets_rings(*subscriber, 1));
  EXPECT_TRUE(until([&] { return strangers.front()->ended(); }));
  EXPECT_EQ(std::ranges::count_if(strangers, [](const auto& one) { return one->ended(); }),
            1101 - 1024);
  strangers.back()->hello();
  EXPECT_TRUE(until([&] {
    ledger_.save_all();
    return strangers.back()->rings().size() == 1;
  }));
}

// As when a reload has taken [tls] away while the address is still open.
TEST_F(DaemonTest, ATlsAddressWithoutCertificatesSpeaksToNobody) {
  const std::string text = daemon_->publisher().addresses().at(1);
  const UniqueFd peer = uv::connected_client(*SocketAddress::parse(text.substr(4)));
  ASSERT_TRUE(peer);
  std::array<char, 64> said{};
  ssize_t count = -1;
  EXPECT_TRUE(until([&] {
    count = ::recv(peer.value(), said.data(), said.size(), MSG_DONTWAIT);
    return count >= 0 || errno != EAGAIN;
  }));
  EXPECT_EQ(count, 0);
}

TEST_F(DaemonTest, WhoFindsTheFleetFullAtATakeOverIsRefused) {
  const auto subscriber = join("z");
  FleetState full = state_of({1, 1});
  for (std::size_t i = 0; i < kMembersMax; ++i) {
    full.members.push_back(member("a" + std::to_string(10'000 + i)));
  }
  ledger_.events.on_leading(std::move(full), 2);
  ledger_.save_all();
  EXPECT_TRUE(until([&] { return subscriber->refused(); }));
  EXPECT_TRUE(subscriber->rings().empty());
}

// --- ends

TEST_F(DaemonTest, WhoClaimsWhatCannotBeIsRefused) {
  const auto subscriber = join("a");
  lead();
  ledger_.save_all();
  ASSERT_TRUE(gets_rings(*subscriber, 1));
  subscriber->send(push::Applied{{~0ULL, ~0ULL}, {}});
  EXPECT_TRUE(until([&] { return subscriber->refused() && subscriber->ended(); }));
  EXPECT_EQ(daemon_->members().size(), 1U) << "it may have tickets to open";
}

TEST_F(DaemonTest, TheSameMemberAgainTakesTheOldConnectionsPlace) {
  const auto first = join("a");
  lead();
  ledger_.save_all();
  ASSERT_TRUE(gets_rings(*first, 1));
  const auto second = join("a");
  EXPECT_TRUE(until([&] { return first->said_bye() && first->ended(); }));
  EXPECT_TRUE(gets_rings(*second, 1));
  EXPECT_EQ(daemon_->members().size(), 1U);
  EXPECT_TRUE(daemon_->members().front().connected);
}

TEST_F(DaemonTest, StopsWhileASaveIsUnderWay) {
  const auto subscriber = join("a");
  lead();
  int status = 0;
  daemon_->rotate(true, noted(status));
  bool stopped = false;
  daemon_->stop([&] { stopped = true; });
  EXPECT_EQ(status, 503);
  ledger_.save_all();
  ASSERT_TRUE(ledger_.stopped);
  ledger_.stopped();
  ASSERT_TRUE(until([&] { return stopped; }));
  EXPECT_TRUE(subscriber->said_bye());
  EXPECT_TRUE(subscriber->rings().empty());
}

TEST_F(DaemonTest, EndsAtAnyMoment) {
  const auto subscriber = join("a");
  lead();
  ledger_.save_all();
  ASSERT_TRUE(gets_rings(*subscriber, 1));
  subscriber->send(push::Hello{push::kProtocol, subscriber->id().instance, 2, "a"});
  ASSERT_TRUE(until([&] { return daemon_->publisher().subscribers().empty(); }));
  daemon_.reset();  // what was put off for after the refusal must find nobody
  loop_.defer([this] { loop_.stop(); });
  loop_.run();
}

// --- time

class ImpatientDaemonTest : public DaemonTest {
 protected:
  ImpatientDaemonTest() : DaemonTest({{3h, 9h}, 1h, 1s}) {}
};

TEST_F(ImpatientDaemonTest, AProcessThatStoodStillHearsItsMembersBeforeItJudges) {
  const auto subscriber = join("a");
  lead();
  ledger_.save_all();
  ASSERT_TRUE(gets_rings(*subscriber, 1));
  subscriber->apply();
  ASSERT_TRUE(until([&] { return daemon_->members().front().current; }));
  pass();
  std::this_thread::sleep_for(5100ms);  // as SIGSTOP does
  for (int i = 0; i < 40; ++i) {
    ledger_.save_all();
    EXPECT_FALSE(subscriber->said_bye());  // reads, so answers each PING
    pass(50ms);
  }
  EXPECT_EQ(daemon_->members().size(), 1U);
}

TEST_F(ImpatientDaemonTest, WhoIsSilentIsDroppedAndComesBack) {
  const auto subscriber = join("a");
  lead();
  ledger_.save_all();
  ASSERT_TRUE(gets_rings(*subscriber, 1));
  subscriber->apply();
  ASSERT_TRUE(until([&] { return daemon_->members().front().current; }));
  ASSERT_TRUE(until([&] {  // it answers no PING
    ledger_.save_all();
    return daemon_->members().empty();
  }));
  EXPECT_TRUE(until([&] { return subscriber->said_bye(); }));
  const auto again = join("a");
  ledger_.save_all();
  EXPECT_TRUE(gets_rings(*again, 1));
}

}  // namespace
}  // namespace usher::keyd::test
