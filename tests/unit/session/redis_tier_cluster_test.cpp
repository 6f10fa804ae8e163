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

TEST_F(RealCluster, AStoreThatIsSentElsewhereIsDroppedAndTheNextIsNot) {
  start_on({0, 1, 2});
  cluster_.move_slot_of(key(1), (cluster_.owner_of(key(1)) + 1) % 3);
  EXPECT_EQ(store(1, "value"), CacheResult::kError);
  EXPECT_EQ(store(1, "value"), CacheResult::kHit);
  EXPECT_EQ(look_up(1).value, "value");
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
  EXPECT_EQ(store(1, "value"), CacheResult::kHit);
  const std::size_t frozen = cluster_.owner_of(key(1));
  while (cluster_.owner_of(key(other)) == frozen) {
    ++other;
  }
  EXPECT_EQ(store(other, "other"), CacheResult::kHit);
  cluster_.node(frozen).pause();
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(look_up(1).result, Result::kTimeout);
    EXPECT_EQ(look_up(other).value, "other");
  }
  EXPECT_EQ(look_up(1).result, Result::kSkipped);
  EXPECT_EQ(row(frozen).breaker_open.value(), 1U);
  ASSERT_TRUE(run_until([&] { return look_up(1).result == Result::kHit; }));  // of its replica
  cluster_.node(frozen).resume();
}

TEST_F(RealCluster, ASeedThatIsNoClusterIsSaidAndSkipped) {
  RedisServer alone;
  start({"redis://127.0.0.1:" + std::to_string(alone.port()), cluster_.url(0)}, true);
  ASSERT_TRUE(run_until([&] { return look_up(1).result == Result::kMiss; }));
}

}  // namespace
}  // namespace usher::session
