// A worker's group: idle links, limits, the queue, and what takes servers out.
#include "proxy/backend/group.h"

#include <gtest/gtest.h>

#include "tests/unit/backend/support/group_bench.h"
#include "tests/unit/backend/support/test_server.h"

namespace usher::backend::test {
namespace {

using namespace std::chrono_literals;

// Answers every request with its connection's number.
class PoolTest : public GroupTest {
 protected:
  ~PoolTest() override { group_.reset(); }  // so that the server sees its links end
  TestServer server_{[this](Peer& peer) {
    const std::string number = std::to_string(++connections_);
    while (!peer.read_head().empty()) {
      peer.write(number);
    }
  }};
  std::atomic<int> connections_ = 0;
};

TEST_F(PoolTest, ALinkGivenBackIsUsedAgain) {
  make({{server_.address()}});
  for (int i = 0; i < 3; ++i) {
    TestUser user(loop_);
    ASSERT_EQ(acquire(user), Kind::kOpen);
    EXPECT_EQ(user.link->reused(), i > 0);
    EXPECT_EQ(exchange(user), "1");
    group_->give_back(std::move(user.link));
    EXPECT_EQ(group_->idle_links(0), 1U);
    EXPECT_EQ(connections(), 1U);
  }
}

TEST_F(PoolTest, AFreshLinkIsAFreshConnection) {
  make({{server_.address()}});
  TestUser first(loop_);
  ASSERT_TRUE(open(first));
  EXPECT_EQ(exchange(first), "1");
  group_->give_back(std::move(first.link));
  TestUser second(loop_);
  Group::Wish wish;
  wish.fresh = true;
  ASSERT_EQ(acquire(second, wish), Kind::kOpen);
  EXPECT_FALSE(second.link->reused());
  EXPECT_EQ(exchange(second), "2");
}

TEST_F(PoolTest, TheNewestIsUsedFirstAndTheOldestLeavesAFullPool) {
  settings_.pool_idle = 2;
  make({{server_.address()}});
  std::vector<std::unique_ptr<TestUser>> users;
  for (const char* number : {"1", "2", "3"}) {
    users.push_back(std::make_unique<TestUser>(loop_));
    ASSERT_TRUE(open(*users.back()));
    ASSERT_EQ(exchange(*users.back()), number);
  }
  for (const auto& user : users) {
    group_->give_back(std::move(user->link));
  }
  EXPECT_EQ(group_->idle_links(0), 2U);
  TestUser user(loop_);
  ASSERT_EQ(acquire(user), Kind::kOpen);
  EXPECT_EQ(exchange(user), "3");
  TestUser next(loop_);
  ASSERT_EQ(acquire(next), Kind::kOpen);
  EXPECT_EQ(exchange(next), "2");
}

TEST_F(PoolTest, IdleLinksExpire) {
  settings_.pool_idle_timeout = 30ms;
  make({{server_.address()}});
  TestUser user(loop_);
  ASSERT_TRUE(open(user));
  EXPECT_EQ(exchange(user), "1");
  group_->give_back(std::move(user.link));
  const auto began = std::chrono::steady_clock::now();
  EXPECT_TRUE(eventually([&] { return group_->idle_links(0) == 0; }));
  EXPECT_GE(std::chrono::steady_clock::now() - began, 25ms);
  EXPECT_EQ(connections(), 0U);
}

TEST_F(PoolTest, NothingIsKeptWherePoolIdleIsZero) {
  settings_.pool_idle = 0;
  make({{server_.address()}});
  TestUser user(loop_);
  ASSERT_TRUE(open(user));
  EXPECT_EQ(exchange(user), "1");
  group_->give_back(std::move(user.link));
  EXPECT_EQ(connections(), 0U);
}

TEST_F(PoolTest, NothingIsKeptWithAProxyHeader) {
  settings_.proxy_protocol = config::ProxyProtocol::kV1;
  make({{server_.address()}});
  TestUser user(loop_);
  ASSERT_TRUE(open(user));
  group_->give_back(std::move(user.link));
  EXPECT_EQ(group_->idle_links(0), 0U);
}

TEST_F(PoolTest, ALinkThatIsNotAtRestIsNotKept) {
  make({{server_.address()}});
  TestUser user(loop_);
  ASSERT_TRUE(open(user));
  user.link->shutdown_write();
  group_->give_back(std::move(user.link));
  EXPECT_EQ(group_->idle_links(0), 0U);
}

TEST_F(GroupTest, AServerThatClosesOrTalksUnaskedEndsItsIdleLink) {
  for (const std::string last : {"", "unasked"}) {
    std::atomic<bool> idle = false;
    TestServer server([&](Peer& peer) {
      (void)peer.read_head();
      peer.write("1");
      while (!idle) {
        std::this_thread::sleep_for(1ms);
      }
      peer.write(last);
      if (last.empty()) {
        peer.fin();
      }
      (void)peer.read_to_end();
    });
    make({{server.address()}});
    TestUser user(loop_);
    ASSERT_TRUE(open(user));
    EXPECT_EQ(exchange(user), "1");
    group_->give_back(std::move(user.link));
    ASSERT_EQ(group_->idle_links(0), 1U);
    idle = true;
    EXPECT_TRUE(eventually([&] { return group_->idle_links(0) == 0; })) << last;
    group_.reset();
  }
}

TEST_F(PoolTest, IdleLinksOfAServerThatIsDownOrHasMovedAreClosed) {
  make({{server_.address()}});
  TestUser user(loop_);
  ASSERT_TRUE(open(user));
  EXPECT_EQ(exchange(user), "1");
  group_->give_back(std::move(user.link));
  health_->publish(std::make_shared<const Health>(1, false));
  EXPECT_EQ(acquire(user), Kind::kNone);
  EXPECT_EQ(group_->idle_links(0), 0U);

  health_->publish(std::make_shared<const Health>(1, true));
  ASSERT_EQ(acquire(user), Kind::kOpen);
  EXPECT_EQ(exchange(user), "2");
  group_->give_back(std::move(user.link));
  endpoints_->publish(std::make_shared<const Endpoints>(Endpoints{{refusing_address()}}));
  EXPECT_FALSE(open(user));
  EXPECT_EQ(group_->idle_links(0), 0U);
}

TEST_F(PoolTest, IdleLinksOfADownServerAreClosedWithoutAnyRequest) {
  make({{server_.address()}});
  TestUser user(loop_);
  ASSERT_TRUE(open(user));
  EXPECT_EQ(exchange(user), "1");
  group_->give_back(std::move(user.link));
  health_->publish(std::make_shared<const Health>(1, false));
  EXPECT_TRUE(eventually([&] { return group_->idle_links(0) == 0; }));
}

TEST_F(PoolTest, TheLimitCountsIdleLinksButUsesThem) {
  settings_.max_connections = 1;
  make({{server_.address()}});
  TestUser first(loop_);
  ASSERT_TRUE(open(first));
  TestUser second(loop_);
  EXPECT_EQ(acquire(second), Kind::kBusy);
  EXPECT_EQ(exchange(first), "1");
  group_->give_back(std::move(first.link));
  ASSERT_EQ(acquire(second), Kind::kOpen);
  EXPECT_TRUE(second.link->reused());
  group_->give_back(std::move(second.link));
  Group::Wish wish;
  wish.fresh = true;
  ASSERT_EQ(acquire(second, wish), Kind::kOpen) << "the idle one makes room";
  EXPECT_FALSE(second.link->reused());
  EXPECT_EQ(connections(), 1U);
}

struct TestWaiter final : Group::Waiter {
  TestWaiter(GroupTest& own_test, std::string& served, char own_name)
      : test(own_test), order(served), name(own_name) {}
  void on_server_free() override {
    order += name;
    if (then) {
      then();
    }
  }
  GroupTest& test;
  std::string& order;
  char name;
  std::function<void()> then;
};

TEST_F(PoolTest, WaitersAreServedInTheirOrderAndNeverFromInsideACall) {
  settings_.max_connections = 1;
  settings_.queue = 3;
  make({{server_.address()}});
  TestUser first(loop_);
  ASSERT_TRUE(open(first));
  EXPECT_EQ(exchange(first), "1");

  std::string order;
  TestUser user(loop_);
  TestWaiter a(*this, order, 'a');
  TestWaiter b(*this, order, 'b');
  TestWaiter c(*this, order, 'c');
  TestWaiter d(*this, order, 'd');
  EXPECT_TRUE(group_->wait(a));
  EXPECT_TRUE(group_->wait(b));
  EXPECT_TRUE(group_->wait(c));
  EXPECT_FALSE(group_->wait(d)) << "full";
  EXPECT_EQ(group_->waiting(), 3U);
  group_->stop_waiting(a);
  group_->stop_waiting(a);
  b.then = [&] {
    EXPECT_EQ(acquire(user), Kind::kOpen);
    EXPECT_TRUE(user.link->reused());
  };
  group_->give_back(std::move(first.link));
  EXPECT_EQ(order, "");
  TestUser late(loop_);
  EXPECT_EQ(acquire(late), Kind::kBusy) << "not before who waits";
  turn();
  EXPECT_EQ(order, "b");
  c.then = [&] { EXPECT_EQ(acquire(late), Kind::kOpen); };
  user.link.reset();
  EXPECT_EQ(order, "b");
  turn();
  EXPECT_EQ(order, "bc");
  EXPECT_FALSE(late.link->reused()) << "the one before was closed";
}

TEST_F(PoolTest, ASecondAttemptDoesNotStandInLineAgain) {
  settings_.max_connections = 1;
  settings_.queue = 1;
  make({{server_.address()}});
  TestUser first(loop_);
  ASSERT_TRUE(open(first));
  std::string order;
  TestWaiter a(*this, order, 'a');
  ASSERT_TRUE(group_->wait(a));
  first.link.reset();  // a pooled one that was stale
  Group::Wish wish;
  wish.fresh = true;
  EXPECT_EQ(acquire(first, wish), Kind::kOpen);
  turn();
  EXPECT_EQ(order, "") << "there is no room";
  group_->stop_waiting(a);
}

TEST_F(PoolTest, WhoWaitsIsWokenWhenAServerComesBack) {
  settings_.max_connections = 1;
  settings_.queue = 1;
  make({{server_.address()}, {server_.address()}});
  health_->publish(std::make_shared<const Health>(Health{true, false}));
  TestUser first(loop_);
  ASSERT_TRUE(open(first));
  std::string order;
  TestWaiter a(*this, order, 'a');
  ASSERT_TRUE(group_->wait(a));
  health_->publish(std::make_shared<const Health>(2, true));
  TestUser late(loop_);
  EXPECT_EQ(acquire(late), Kind::kBusy);
  turn();
  EXPECT_EQ(order, "a");
}

// A worker that chose nothing meanwhile sees two snapshots that both say "up".
TEST_F(PoolTest, AServerThatWasDownUnseenStartsSlowlyAllTheSame) {
  settings_.slow_start = std::chrono::hours(1);
  settings_.pool_idle = 0;
  make({{server_.address()}, {server_.address()}});
  Health health(2, true);
  health[1].returns = 1;
  health_->publish(std::make_shared<const Health>(health));
  std::size_t slow = 0;
  for (int i = 0; i < 10; ++i) {
    TestUser user(loop_);
    ASSERT_TRUE(open(user));
    slow += user.link->server() == 1 ? 1 : 0;
  }
  EXPECT_LE(slow, 2U);
}

TEST_F(PoolTest, AWaiterThatComesTooLateWaitsAgainAndIsNotWokenForNothing) {
  settings_.max_connections = 1;
  settings_.queue = 2;
  make({{server_.address()}});
  TestUser first(loop_);
  ASSERT_TRUE(open(first));
  std::string order;
  TestWaiter a(*this, order, 'a');
  ASSERT_TRUE(group_->wait(a));
  a.then = [&] { EXPECT_TRUE(group_->wait(a)); };
  first.link.reset();
  turn();
  EXPECT_EQ(order, "a");
  EXPECT_EQ(group_->waiting(), 1U);
  group_->stop_waiting(a);
}

TEST_F(PoolTest, AWaiterMayLetGoOfTheGroup) {
  settings_.max_connections = 1;
  settings_.queue = 1;
  make({{server_.address()}});
  TestUser first(loop_);
  ASSERT_TRUE(open(first));
  std::string order;
  TestWaiter a(*this, order, 'a');
  ASSERT_TRUE(group_->wait(a));
  a.then = [&] { group_.reset(); };
  first.link.reset();
  turn();
  EXPECT_EQ(order, "a");
  EXPECT_EQ(group_, nullptr);
}

TEST_F(PoolTest, FailuresEjectAServerCloseItsIdleLinksAndShowInTheGauge) {
  settings_.eject_after = 2;
  settings_.eject_for = 40ms;
  make({{server_.address()}, {server_.address()}});
  TestUser user(loop_);
  ASSERT_TRUE(open(user));
  EXPECT_EQ(user.link->server(), 0U);
  EXPECT_EQ(exchange(user), "1");
  group_->give_back(std::move(user.link));
  group_->note_failure(0, BackendMetrics::kReset, "detail");
  group_->note_success(0);
  group_->note_failure(0, BackendMetrics::kMalformed, "detail");
  EXPECT_EQ(metrics_->per_server[0].ejected.value(), 0U);
  group_->note_failure(0, BackendMetrics::kTimeout, "detail");
  EXPECT_EQ(metrics_->per_server[0].ejected.value(), 1U);
  EXPECT_EQ(failures(BackendMetrics::kMalformed), 1U);
  EXPECT_EQ(group_->idle_links(0), 0U);
  for (int i = 0; i < 3; ++i) {
    TestUser other(loop_);
    ASSERT_TRUE(open(other));
    EXPECT_EQ(other.link->server(), 1U);
  }
  EXPECT_TRUE(eventually([&] { return metrics_->per_server[0].ejected.value() == 0; }))
      << "without any request";
}

TEST_F(GroupTest, TheLogTellsWhyAServerFailsOnceInAWhile) {
  make({{refusing_address()}});
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 5; ++i) {
    TestUser user(loop_);
    EXPECT_FALSE(open(user));
  }
  const std::string log = ::testing::internal::GetCapturedStderr();
  const std::size_t line = log.find("backend server fails");
  ASSERT_NE(line, std::string::npos);
  EXPECT_NE(log.find("reason=refused error=\"Connection refused\""), std::string::npos) << log;
  EXPECT_EQ(log.find("backend server fails", line + 1), std::string::npos) << log;
  EXPECT_EQ(failures(BackendMetrics::kRefused), 5U);
}

TEST_F(GroupTest, AGroupThatGoesTakesItsPartOfTheGaugeAlong) {
  settings_.eject_after = 1;
  make({{refusing_address()}, {refusing_address()}});
  group_->note_failure(0, BackendMetrics::kReset, "detail");
  EXPECT_EQ(metrics_->per_server[0].ejected.value(), 1U);
  group_.reset();
  EXPECT_EQ(metrics_->per_server[0].ejected.value(), 0U);
}

TEST_F(PoolTest, ADeadAddressOfALivingServerIsDialedOnceInAWhile) {
  make({{refusing_address(), server_.address()}});
  for (int i = 0; i < 6; ++i) {
    TestUser user(loop_);
    Group::Wish wish;
    wish.fresh = true;
    ASSERT_EQ(dial(user, wish), Kind::kOpen);
  }
  EXPECT_EQ(failures(BackendMetrics::kRefused), 1U);
}

// TCP mode counts its own connections.
TEST_F(GroupTest, TcpModeChoosesWithinTheSameLimits) {
  settings_.max_connections = 1;
  make({{refusing_address()}});
  Group::Choice choice;
  ASSERT_EQ(group_->choose({}, 0, choice), Group::Found::kServer);
  group_->connected(choice.server);
  EXPECT_EQ(group_->choose({}, 0, choice), Group::Found::kBusy);
  group_->disconnected(choice.server);
  EXPECT_EQ(group_->choose({}, 0, choice), Group::Found::kServer);
  group_->note_connect_failed(choice, BackendMetrics::kRefused, "refused");
  EXPECT_EQ(failures(BackendMetrics::kRefused), 1U);
}

}  // namespace
}  // namespace usher::backend::test
