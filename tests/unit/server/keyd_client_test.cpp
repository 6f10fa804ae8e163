#include "proxy/server/keyd_client.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "proxy/keyring/ring_changes.h"
#include "proxy/uv/loop.h"
#include "tests/unit/server/support/fake_keyd.h"
#include "tests/unit/server/support/run_until.h"

namespace usher::server {
namespace {

using std::chrono::milliseconds;
using test::pushed_ring;
using Sent = std::vector<std::string>;

constexpr KeydTimes kShort{milliseconds(2), milliseconds(16), milliseconds(2), milliseconds(50)};
const char* const kOne = "unix:/run/keyd-1.sock";
const char* const kTwo = "unix:/run/keyd-2.sock";

class KeydClientTest : public testing::Test {
 protected:
  KeydClientTest() {
    push::Hello hello;
    hello.node = "proxy-1";
    hello.workers = 2;
    hello.instance.fill(std::byte{7});
    client_ = std::make_unique<KeydClient>(
        KeydClient::Surroundings{loop_, keyd_.connect(), kShort,
                                 [this](keyring::KeyRing ring) {
                                   adopted_.push_back(std::move(ring));
                                   return adopted_.size();
                                 },
                                 [this] { return future_names_; }, refusals_},
        hello);
  }

  void configure(const std::vector<std::string>& endpoints, const std::set<uid_t>& users = {}) {
    std::vector<push::Endpoint> parsed;
    for (const std::string& text : endpoints) {
      parsed.push_back(test::endpoint(text));
    }
    client_->configure(parsed, nullptr, users);
  }
  // Links to all of them; the connections are then keyd_[0], keyd_[1], …
  void link(const std::vector<std::string>& endpoints) {
    configure(endpoints);
    await_connections(endpoints.size());
    for (std::size_t i = 0; i < endpoints.size(); ++i) {
      keyd_[i].open();
    }
  }
  void await_connections(std::size_t count) {
    ASSERT_TRUE(test::run_until(loop_, [&] { return keyd_.count() >= count; }));
  }
  void all_workers_read() { client_->on_applied(adopted_.size()); }

  uv::Loop loop_;
  test::FakeKeyd keyd_;
  std::vector<keyring::KeyRing> adopted_;
  std::uint64_t future_names_ = 0;
  RingRefusals refusals_;
  std::unique_ptr<KeydClient> client_;
};

TEST_F(KeydClientTest, AProxyWithoutARingSaysHelloAndNothingElse) {
  link({kOne});
  EXPECT_EQ(keyd_[0].sent, Sent{"HELLO proxy-1"});
  EXPECT_EQ(keyd_[0].hellos.front().workers, 2);
  EXPECT_EQ(keyd_[0].hellos.front().instance.front(), std::byte{7});
  EXPECT_TRUE(client_->connected(kOne));
}

TEST_F(KeydClientTest, ARingIsAcknowledgedWhenEveryWorkerReadsIt) {
  link({kOne});
  keyd_[0].push(pushed_ring({1, 4}));
  ASSERT_EQ(adopted_.size(), 1U);
  EXPECT_EQ(keyd_[0].sent, Sent{"HELLO proxy-1"});
  EXPECT_FALSE(client_->applied());
  all_workers_read();
  EXPECT_EQ(keyd_[0].sent, (Sent{"HELLO proxy-1", "APPLIED 1.4"}));
  EXPECT_EQ(keyd_[0].acks.back().digest, keyring::digest_of(adopted_.front()));
  EXPECT_TRUE(client_->applied());
}

TEST_F(KeydClientTest, AnOvertakenRingIsNeverAcknowledgedAfterItsSuccessor) {
  link({kOne});
  keyd_[0].push(pushed_ring({1, 4}));
  keyd_[0].push(pushed_ring({1, 5}, 50));
  all_workers_read();
  EXPECT_EQ(keyd_[0].sent, (Sent{"HELLO proxy-1", "APPLIED 1.5"}));
  client_->on_applied(1);
  EXPECT_EQ(keyd_[0].sent.size(), 2U);
}

TEST_F(KeydClientTest, EveryEndpointHearsWhatIsApplied) {
  link({kOne, kTwo});
  keyd_[0].push(pushed_ring({1, 4}));
  all_workers_read();
  EXPECT_EQ(keyd_[1].sent, (Sent{"HELLO proxy-1", "APPLIED 1.4"}));
}

TEST_F(KeydClientTest, TheHighestPairIsAdoptedTermBeforeVersion) {
  link({kOne, kTwo});
  keyd_[0].push(pushed_ring({1, 9}));
  keyd_[1].push(pushed_ring({2, 1}, 50));
  ASSERT_EQ(adopted_.size(), 2U);
  EXPECT_EQ(adopted_.back().version(), (keyring::KeyRing::Version{2, 1}));
}

TEST_F(KeydClientTest, ALowerPairIsRefusedCountedAndToldTheHigherOne) {
  link({kOne, kTwo});
  keyd_[0].push(pushed_ring({2, 1}));
  all_workers_read();
  keyd_[1].push(pushed_ring({1, 9}, 50));
  EXPECT_EQ(adopted_.size(), 1U);
  EXPECT_EQ(refusals_.lower.value(), 1U);
  EXPECT_EQ(keyd_[1].sent, (Sent{"HELLO proxy-1", "APPLIED 2.1", "APPLIED 2.1"}));
}

TEST_F(KeydClientTest, TheSameRingAgainIsAcknowledgedAndChangesNothing) {
  link({kOne, kTwo});
  const auto ring = pushed_ring({1, 4});
  keyd_[0].push(ring);
  all_workers_read();
  keyd_[1].push(ring);
  EXPECT_EQ(adopted_.size(), 1U);
  EXPECT_EQ(refusals_.digest.value() + refusals_.lower.value(), 0U);
  EXPECT_EQ(keyd_[1].sent.back(), "APPLIED 1.4");
  EXPECT_EQ(keyd_[1].acks.size(), 2U);
}

TEST_F(KeydClientTest, TheSameRingAgainIsNotAcknowledgedBeforeItIsApplied) {
  link({kOne, kTwo});
  const auto ring = pushed_ring({1, 4});
  keyd_[0].push(ring);
  keyd_[1].push(ring);
  EXPECT_EQ(keyd_[1].sent, Sent{"HELLO proxy-1"});
  all_workers_read();
  EXPECT_EQ(keyd_[1].sent.back(), "APPLIED 1.4");
}

TEST_F(KeydClientTest, AnotherRingUnderTheSamePairIsRefusedAndToldTheDigestInForce) {
  link({kOne, kTwo});
  const auto ring = pushed_ring({1, 4});
  keyd_[0].push(ring);
  all_workers_read();
  keyd_[1].push(pushed_ring({1, 4}, 50));
  EXPECT_EQ(adopted_.size(), 1U);
  EXPECT_EQ(refusals_.digest.value(), 1U);
  EXPECT_EQ(keyd_[1].acks.back().digest, keyring::digest_of(ring));
}

TEST_F(KeydClientTest, ADamagedRingIsCountedAndTheLinkStays) {
  link({kOne});
  SecretBuffer bytes = keyring::encode_ring(pushed_ring({1, 4}), BootClock::now());
  bytes.bytes()[20] ^= std::byte{1};
  keyd_[0].events.on_frame(push::Ring{std::move(bytes)});
  EXPECT_TRUE(adopted_.empty());
  EXPECT_EQ(refusals_.malformed.value(), 1U);
  EXPECT_TRUE(client_->connected(kOne));
}

TEST_F(KeydClientTest, BytesThatAreNoFrameAreCounted) {
  link({kOne});
  keyd_[0].close("a frame of 9000 bytes", push::CloseCause::kMalformed);
  EXPECT_EQ(refusals_.malformed.value(), 1U);
}

TEST_F(KeydClientTest, FramesThatOnlyProxiesSendEndTheConnection) {
  link({kOne});
  keyd_[0].events.on_frame(push::Pull{});
  EXPECT_FALSE(keyd_[0].alive);
  EXPECT_EQ(refusals_.malformed.value(), 1U);
  await_connections(2);
}

TEST_F(KeydClientTest, AfterALossTheProxyComesBackAndSaysWhatItHas) {
  link({kOne});
  keyd_[0].push(pushed_ring({1, 4}));
  all_workers_read();
  keyd_[0].close("the peer closed the connection");
  EXPECT_FALSE(keyd_[0].alive);
  EXPECT_FALSE(client_->connected(kOne));
  EXPECT_EQ(client_->states().front().error, "the peer closed the connection");
  await_connections(2);
  keyd_[1].open();
  EXPECT_EQ(keyd_[1].sent, (Sent{"HELLO proxy-1", "APPLIED 1.4"}));
  EXPECT_EQ(client_->states().front().error, "");
}

TEST_F(KeydClientTest, AStrangersSocketIsLeftAtOnce) {
  configure({kOne}, {4711});
  await_connections(1);
  keyd_[0].open(4712);
  EXPECT_FALSE(keyd_[0].alive);
  EXPECT_TRUE(keyd_[0].sent.empty());
  EXPECT_NE(client_->states().front().error.find("uid is 4712"), std::string::npos);
}

TEST_F(KeydClientTest, RootOurselvesAndKeydsUserAreTrusted) {
  for (const uid_t uid : {uid_t{0}, ::geteuid(), uid_t{4711}}) {
    const std::size_t index = keyd_.count();
    configure({}, {4711});
    configure({kOne}, {4711});
    await_connections(index + 1);
    keyd_[index].open(uid);
    EXPECT_TRUE(client_->connected(kOne)) << uid;
  }
}

TEST_F(KeydClientTest, KeydsOwnWordsAreKeptWhenItRefusesUs) {
  link({kOne});
  keyd_[0].events.on_frame(push::Refused{"node proxy-1 is not in the certificate"});
  keyd_[0].close("the peer closed the connection");
  EXPECT_EQ(client_->states().front().error,
            "keyd refuses us: node proxy-1 is not in the certificate");
}

TEST_F(KeydClientTest, RefusalsAreRetriedMoreAndMoreSeldom) {
  configure({kOne});
  const auto begun = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < 8; ++i) {
    await_connections(i + 1);
    keyd_[i].open();
    keyd_[i].close("refused");
  }
  // At least half of 2 + 4 + 8 + 16 + 16 + 16 + 16 ms.
  EXPECT_GE(std::chrono::steady_clock::now() - begun, milliseconds(35));
}

TEST_F(KeydClientTest, AnEndpointThatStaysKeepsItsConnectionAndOneThatGoesHearsNoBye) {
  link({kOne, kTwo});
  configure({kTwo});
  EXPECT_FALSE(keyd_[0].alive);
  EXPECT_EQ(keyd_[0].sent, Sent{"HELLO proxy-1"});
  EXPECT_TRUE(keyd_[1].alive);
  EXPECT_TRUE(client_->connected(kTwo));
  EXPECT_EQ(client_->states().size(), 1U);
  test::run_for(loop_, milliseconds(10));
  EXPECT_EQ(keyd_.count(), 2U);
}

TEST_F(KeydClientTest, LeavingSaysByeEverywhereAndWaitsForItToGoOut) {
  link({kOne, kTwo});
  bool left = false;
  client_->leave([&] { left = true; });
  EXPECT_EQ(keyd_[0].sent.back(), "BYE");
  EXPECT_EQ(keyd_[1].sent.back(), "BYE");
  EXPECT_TRUE(keyd_[0].finished && keyd_[1].finished);
  keyd_[0].close("closed here");
  test::run_for(loop_, milliseconds(10));
  EXPECT_FALSE(left);
  keyd_[1].close("closed here");
  EXPECT_TRUE(left);
  test::run_for(loop_, milliseconds(10));
  EXPECT_EQ(keyd_.count(), 2U);
}

TEST_F(KeydClientTest, LeavingWithoutAConnectionEndsByItself) {
  configure({kOne, kTwo});
  await_connections(2);
  bool left = false;
  client_->leave([&] {
    left = true;
    client_.reset();  // as the key source does
  });
  EXPECT_FALSE(left);
  ASSERT_TRUE(test::run_until(loop_, [&] { return left; }));
  EXPECT_FALSE(keyd_[0].alive || keyd_[1].alive);
}

TEST_F(KeydClientTest, LeavingNobodyEndsByItself) {
  bool left = false;
  client_->leave([&] { left = true; });
  EXPECT_FALSE(left);
  EXPECT_TRUE(test::run_until(loop_, [&] { return left; }));
}

TEST_F(KeydClientTest, AFutureKeyNameIsFollowedByOnePullOnEachLink) {
  link({kOne, kTwo});
  test::run_for(loop_, milliseconds(10));
  EXPECT_EQ(keyd_[0].sent, Sent{"HELLO proxy-1"});
  future_names_ = 5;
  ASSERT_TRUE(test::run_until(loop_, [&] { return keyd_[0].sent.size() == 2; }));
  EXPECT_EQ(keyd_[0].sent.back(), "PULL");
  EXPECT_EQ(keyd_[1].sent.back(), "PULL");
  test::run_for(loop_, milliseconds(10));
  EXPECT_EQ(keyd_[0].sent.size(), 2U);
}

TEST_F(KeydClientTest, StrangersCauseNoMoreThanOnePullInAWhile) {
  link({kOne});
  const auto begun = std::chrono::steady_clock::now();
  ASSERT_TRUE(test::run_until(loop_, [&] {
    ++future_names_;
    return keyd_[0].sent.size() == 4;
  }));
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 2 * kShort.pull_every);
}

}  // namespace
}  // namespace usher::server
