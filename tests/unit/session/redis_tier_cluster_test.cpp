#include <algorithm>
#include <string>

#include "proxy/base/bytes.h"
#include "tests/support/redis_cluster.h"
#include "tests/unit/session/support/tier_test.h"

// The Redis tier on a real cluster of three masters with a replica each.
namespace usher::session {
namespace {

using namespace std::chrono_literals;
using Result = RedisTier::Result;

class RealCluster : public TierTest {
 protected:
  static std::string key(int number) { return "usher:s:" + hex(name(number)); }

  // Returns when every master is asked.
  void start_on(const std::vector<std::size_t>& seeds) {
    std::vector<std::string> urls;
    for (const std::size_t index : seeds) {
      urls.push_back(cluster_.url(index));
    }
    start(urls, true);
    for (int number = 0; number < 50; ++number) {
      ASSERT_TRUE(run_until([&] { return look_up(number).result == Result::kMiss; }));
    }
  }

  RedisCluster cluster_;
};

TEST_F(RealCluster, OneSeedIsEnoughToFindAll) {
  start_on({4});  // a replica
  int hits = 0;
  for (int number = 0; number < 100; ++number) {
    EXPECT_EQ(store(number, "value " + std::to_string(number)), CacheResult::kHit);
    hits += look_up(number, number % 2 == 0).value == "value " + std::to_string(number) ? 1 : 0;
  }
  EXPECT_EQ(hits, 100);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_NE(cluster_.node(i).cli({"DBSIZE"}), "0");
  }
  EXPECT_EQ(row().up.value(), 1U);
}

TEST_F(RealCluster, AMovedSlotIsFollowedAtOnce) {
  start_on({0, 1, 2});
  EXPECT_EQ(store(1, "value"), CacheResult::kHit);
  const std::size_t from = cluster_.owner_of(key(1));
  const std::size_t to = (from + 1) % 3;
  cluster_.begin_to_move_slot_of(key(1), to);
  EXPECT_EQ(look_up(1).value, "value");  // ASK
  EXPECT_EQ(look_up(1).value, "value");
  cluster_.finish_moving_slot_of(key(1), to);
  EXPECT_EQ(look_up(1).value, "value");  // MOVED
  EXPECT_EQ(store(1, "other"), CacheResult::kHit);
  EXPECT_EQ(look_up(1, true).value, "other");
  EXPECT_EQ(cluster_.owner_of(key(1)), to);
}

TEST_F(RealCluster, AStoreThatIsSentElsewhereIsSentThere) {
  start_on({0, 1, 2});
  const std::size_t from = cluster_.owner_of(key(1));
  const std::size_t to = (from + 1) % 3;
  cluster_.begin_to_move_slot_of(key(1), to);
  EXPECT_EQ(store(1, "asked"), CacheResult::kHit);  // ASK
  EXPECT_EQ(look_up(1).value, "asked");
  cluster_.finish_moving_slot_of(key(1), to);
  EXPECT_EQ(store(1, "moved"), CacheResult::kHit);  // MOVED
  EXPECT_EQ(look_up(1).value, "moved");
  EXPECT_EQ(stores(CacheResult::kError), 0U);
}

TEST_F(RealCluster, ARemovalThatIsSentElsewhereIsSentThere) {
  start_on({0, 1, 2});
  EXPECT_EQ(store(1, "value"), CacheResult::kHit);
  cluster_.move_slot_of(key(1), (cluster_.owner_of(key(1)) + 1) % 3);
  tier_->remove(name(1));
  EXPECT_TRUE(run_until([&] { return look_up(1).result == Result::kMiss; }));
}

TEST_F(RealCluster, WhenAMasterDiesOthersAnswerAndItsReplicaTakesOver) {
  start_on({0, 1, 2, 3, 4, 5});
  for (int number = 0; number < 30; ++number) {
    EXPECT_EQ(store(number, "value"), CacheResult::kHit);
  }
  const std::size_t dead = cluster_.owner_of(key(1));
  cluster_.node(dead).stop();
  ASSERT_TRUE(run_until([&] { return row(dead).up.value() == 0; }));
  EXPECT_EQ(look_up(1).result, Result::kSkipped);
  EXPECT_EQ(row((dead + 1) % 3).up.value(), 1U);
  for (int number = 0; number < 30; ++number) {
    ASSERT_TRUE(run_until([&] { return look_up(number).result == Result::kHit; })) << number;
    EXPECT_EQ(look_up(number).value, "value");
  }
  EXPECT_EQ(cluster_.owner_of(key(1)), dead + 3);
}

TEST_F(RealCluster, AFrozenMasterHoldsUpNobodyElse) {
  timeout_ = kShort;
  start_on({0, 1, 2});
  int other = 0;
  ASSERT_TRUE(stored(1, "value"));
  const std::size_t frozen = cluster_.owner_of(key(1));
  while (cluster_.owner_of(key(other)) == frozen) {
    ++other;
  }
  ASSERT_TRUE(stored(other, "other"));
  ASSERT_TRUE(run_until([&] { return cluster_.node(frozen + 3).cli({"DBSIZE"}) == "1"; }));
  for (std::size_t i = 0; i < 6; ++i) {  // however long what follows takes
    cluster_.node(i).cli({"CONFIG", "SET", "cluster-require-full-coverage", "no"});
    cluster_.node(i).cli({"CONFIG", "SET", "cluster-replica-validity-factor", "0"});
  }
  cluster_.node(frozen).pause();
  cluster_.node(frozen + 3).pause();  // its replica, which would take over
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(look_up(1).result, Result::kTimeout);
    EXPECT_TRUE(run_until([&] { return look_up(other).value == "other"; }));
  }
  EXPECT_EQ(look_up(1).result, Result::kSkipped);
  EXPECT_EQ(row(frozen).breaker_open.value(), 1U);
  cluster_.node(frozen + 3).resume();
  ASSERT_TRUE(run_until([&] { return look_up(1).result == Result::kHit; }));
  cluster_.node(frozen).resume();
}

TEST_F(RealCluster, ASeedThatIsNoClusterIsSaidAndSkipped) {
  RedisServer alone;
  start({"redis://127.0.0.1:" + std::to_string(alone.port()), cluster_.url(0)}, true);
  ASSERT_TRUE(run_until([&] { return look_up(1).result == Result::kMiss; }));
}

}  // namespace
}  // namespace usher::session
