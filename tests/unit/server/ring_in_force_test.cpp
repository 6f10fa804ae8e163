#include "proxy/server/ring_in_force.h"

#include <gtest/gtest.h>

#include "proxy/keyring/ring_changes.h"
#include "proxy/uv/loop.h"
#include "tests/unit/keyring/support/test_keys.h"
#include "tests/unit/server/support/fake_workers.h"
#include "tests/unit/server/support/run_until.h"

namespace usher::server {
namespace {

using keyring::KeyRing;
using keyring::KeyState;
using keyring::test::key_with;
using std::chrono::hours;
using std::chrono::milliseconds;
using Versions = std::vector<KeyRing::Version>;

KeyRing ring_with(std::uint64_t version, std::vector<KeyRing::Entry> entries,
                  keyring::AgePolicy policy = {hours(3), hours(9)}) {
  return *KeyRing::make({{1, version}, std::move(entries), policy});
}

KeyRing one_key(std::uint64_t version, unsigned seed,
                keyring::AgePolicy policy = {hours(3), hours(9)}) {
  return ring_with(version, {{key_with(1, seed, BootClock::now()), KeyState::kCurrent}}, policy);
}

keyring::KeyName name_of(unsigned seed) {
  keyring::KeyName name;
  name.fill(static_cast<std::byte>(seed));
  return name;
}

class RingInForceTest : public testing::Test {
 protected:
  ~RingInForceTest() override {
    rings_.close();
    mailbox_.close();
  }
  std::shared_ptr<const KeyRing> ring() const { return rings_.rings().latest(); }
  bool opens(unsigned seed) const {
    return ring()->opening_key(name_of(seed), BootClock::now()).has_value();
  }
  bool seals() const { return ring()->sealing_key(BootClock::now()) != nullptr; }

  uv::Loop loop_;
  uv::Mailbox mailbox_{loop_};
  std::vector<RingInForce::Publication> applied_;
  RingInForce rings_{loop_, mailbox_, [this](RingInForce::Publication publication) {
                       applied_.push_back(publication);
                     }};
  test::FakeWorkers workers_{rings_.rings(), 2};
};

TEST_F(RingInForceTest, ARingCountsAsAppliedWhenTheLastWorkerReadsIt) {
  rings_.set_workers(workers_.takes());
  workers_.hold(1);
  const auto publication = rings_.publish(one_key(7, 1));
  test::run_for(loop_, milliseconds(5));
  EXPECT_TRUE(applied_.empty());
  EXPECT_EQ(rings_.read_by_workers(), (Versions{{1, 7}, {0, 0}}));
  workers_.release(1);
  ASSERT_TRUE(test::run_until(loop_, [&] { return !applied_.empty(); }));
  EXPECT_EQ(applied_, std::vector{publication});
  EXPECT_EQ(rings_.read_by_workers(), (Versions{{1, 7}, {1, 7}}));
}

TEST_F(RingInForceTest, WorkersThatStartLaterTakeWhatIsPublished) {
  (void)rings_.publish(one_key(7, 1));
  rings_.set_workers(workers_.takes());
  ASSERT_TRUE(test::run_until(loop_, [&] { return !applied_.empty(); }));
  EXPECT_EQ(rings_.read_by_workers(), (Versions{{1, 7}, {1, 7}}));
}

TEST_F(RingInForceTest, ARingThatWasOvertakenIsAppliedWithItsSuccessor) {
  rings_.set_workers(workers_.takes());
  workers_.hold(0);
  (void)rings_.publish(one_key(7, 1));
  const auto second = rings_.publish(one_key(8, 2));
  workers_.release(0);
  ASSERT_TRUE(
      test::run_until(loop_, [&] { return !applied_.empty() && applied_.back() == second; }));
  EXPECT_EQ(rings_.read_by_workers(), (Versions{{1, 8}, {1, 8}}));
}

TEST_F(RingInForceTest, TheTimeUntilEveryWorkerReadsARingIsMeasured) {
  rings_.set_workers(workers_.takes());
  workers_.hold(1);
  (void)rings_.publish(one_key(7, 1));
  test::run_for(loop_, milliseconds(30));
  workers_.release(1);
  ASSERT_TRUE(test::run_until(loop_, [&] { return !applied_.empty(); }));
  EXPECT_GE(rings_.apply_seconds().sum_seconds(), 0.02);
}

TEST_F(RingInForceTest, KeysAreWipedAtTheirEndThoughTheirSourceIsSilent) {
  rings_.set_workers(workers_.takes());
  auto key = key_with(1, 1, BootClock::now());
  const std::weak_ptr<const keyring::TicketKey> gone = key;
  (void)rings_.publish(
      ring_with(7, {{std::move(key), KeyState::kCurrent}}, {milliseconds(20), milliseconds(40)}));
  EXPECT_TRUE(seals());
  ASSERT_TRUE(test::run_until(loop_, [&] { return gone.expired(); }));
  EXPECT_TRUE(ring()->entries().empty());
  EXPECT_EQ(ring()->version(), (KeyRing::Version{1, 7}));
  EXPECT_TRUE(rings_.source_ring().entries().empty());
}

TEST_F(RingInForceTest, OnlyWhatIsOldIsWiped) {
  const auto now = BootClock::now();
  (void)rings_.publish(ring_with(7,
                                 {{key_with(2, 2, now), KeyState::kCurrent},
                                  {key_with(1, 1, now - hours(1)), KeyState::kPrevious}},
                                 {hours(1), hours(1) + milliseconds(30)}));
  EXPECT_TRUE(opens(1));
  ASSERT_TRUE(test::run_until(loop_, [&] { return ring()->entries().size() == 1; }));
  EXPECT_FALSE(opens(1));
  EXPECT_TRUE(opens(2));
}

TEST_F(RingInForceTest, WhatIsTooOldAtItsArrivalNeverGetsIn) {
  (void)rings_.publish(
      ring_with(7, {{key_with(1, 1, BootClock::now() - hours(9)), KeyState::kCurrent}}));
  EXPECT_TRUE(ring()->entries().empty());
}

TEST_F(RingInForceTest, TheKeysOfAnEarlierSourceOpenAndDoNotSeal) {
  (void)rings_.publish(one_key(7, 1));
  rings_.carry_over(hours(6));
  EXPECT_TRUE(opens(1));
  EXPECT_FALSE(seals());
  (void)rings_.publish(one_key(1, 2));
  EXPECT_TRUE(opens(1));
  EXPECT_EQ(ring()->opening_key(name_of(1), BootClock::now())->state, KeyState::kPrevious);
  EXPECT_EQ(ring()->sealing_key(BootClock::now())->name, name_of(2));
  EXPECT_EQ(rings_.source_ring().entries().size(), 1U);
}

TEST_F(RingInForceTest, CarriedKeysLeaveByTheLimitOfTheirOwnSource) {
  (void)rings_.publish(one_key(7, 1, {milliseconds(20), milliseconds(40)}));
  rings_.carry_over(hours(6));
  (void)rings_.publish(one_key(1, 2));
  EXPECT_TRUE(opens(1));
  ASSERT_TRUE(test::run_until(loop_, [&] { return !opens(1); }));
  EXPECT_TRUE(opens(2));
}

TEST_F(RingInForceTest, CarriedKeysLeaveByTheLimitOfTheNewSourceToo) {
  (void)rings_.publish(one_key(7, 1));
  rings_.carry_over(hours(6));
  (void)rings_.publish(one_key(1, 2, {milliseconds(20), milliseconds(40)}));
  ASSERT_TRUE(test::run_until(loop_, [&] { return ring()->entries().empty(); }));
}

TEST_F(RingInForceTest, CarriedKeysWithoutALimitLeaveWhenTheirLastSessionHasEnded) {
  (void)rings_.publish(one_key(7, 1, {}));
  rings_.carry_over(milliseconds(40));
  EXPECT_TRUE(opens(1));
  ASSERT_TRUE(test::run_until(loop_, [&] { return !opens(1); }));
}

TEST_F(RingInForceTest, ACarriedKeyThatTheNewSourceHasIsTheSources) {
  (void)rings_.publish(one_key(7, 1));
  rings_.carry_over(hours(6));
  (void)rings_.publish(one_key(1, 1));
  EXPECT_EQ(ring()->entries().size(), 1U);
  EXPECT_TRUE(seals());
}

TEST_F(RingInForceTest, ARevocationOutlivesTheSourceThatMadeIt) {
  const UnixSeconds revoked{std::chrono::seconds(1'000'000)};
  auto parts = one_key(7, 1).parts();
  parts.lineage_not_before = revoked;
  (void)rings_.publish(*KeyRing::make(std::move(parts)));
  rings_.carry_over(hours(6));
  (void)rings_.publish(one_key(1, 2));
  EXPECT_EQ(ring()->lineage_not_before(), revoked);
}

TEST_F(RingInForceTest, ACarriedKeyCanBeRevoked) {
  const UnixSeconds now{std::chrono::seconds(1'000'000)};
  (void)rings_.publish(one_key(7, 1));
  rings_.carry_over(hours(6));
  (void)rings_.publish(one_key(1, 2));
  EXPECT_FALSE(rings_.revoke_carried(name_of(2), now));
  EXPECT_TRUE(rings_.revoke_carried(name_of(1), now));
  EXPECT_FALSE(opens(1));
  EXPECT_EQ(ring()->lineage_not_before(), now);
}

TEST_F(RingInForceTest, ClearingForgetsCarriedKeysToo) {
  (void)rings_.publish(one_key(7, 1));
  rings_.carry_over(hours(6));
  (void)rings_.publish(one_key(1, 2));
  rings_.clear();
  EXPECT_TRUE(ring()->entries().empty());
}

TEST_F(RingInForceTest, SourcesThatChangeAllTheTimeNeverOverfillTheRing) {
  for (unsigned seed = 1; seed <= 80; ++seed) {
    (void)rings_.publish(one_key(1, seed));
    rings_.carry_over(hours(6));
  }
  (void)rings_.publish(one_key(1, 81));
  EXPECT_EQ(ring()->entries().size(), keyring::kMaxKeys);
  EXPECT_TRUE(opens(80));
  EXPECT_FALSE(opens(1));
}

}  // namespace
}  // namespace usher::server
