#include "proxy/session/redis_tier.h"

#include <algorithm>

#include "proxy/base/clock.h"
#include "tests/support/redis_server.h"
#include "tests/unit/session/support/tier_test.h"

// The Redis tier on one real redis-server.
namespace usher::session {
namespace {

using namespace std::chrono_literals;
using Result = RedisTier::Result;

class SingleServer : public TierTest {
 protected:
  std::string tcp(const std::string& credentials = "", const std::string& database = "") {
    return "redis://" + credentials + "127.0.0.1:" + std::to_string(redis_.port()) + database;
  }

  RedisServer redis_{{"--enable-debug-command", "local"}};
};

TEST_F(SingleServer, GivesBackWhatWasStoredUntilItEnds) {
  start({tcp()});
  EXPECT_EQ(look_up(1).result, Result::kMiss);
  const std::string value("a\0\r\n\xff", 5);
  EXPECT_EQ(store(1, value), CacheResult::kHit);
  EXPECT_EQ(look_up(1).value, value);
  EXPECT_EQ(look_up(2).result, Result::kMiss);
  EXPECT_EQ(redis_.cli({"KEYS", "*"}), "usher:s:" + hex(name(1)));
  EXPECT_GT(std::stoi(redis_.cli({"PTTL", "usher:s:" + hex(name(1))})), 30'000);
  EXPECT_EQ(store(2, "short", 50ms), CacheResult::kHit);
  ASSERT_TRUE(run_until([&] { return look_up(2).result == Result::kMiss; }));
  EXPECT_EQ(requests_timed(), looked_up_);
}

TEST_F(SingleServer, TakesOutWhatIsAskedForOnce) {
  start({tcp()});
  EXPECT_EQ(store(1, "value"), CacheResult::kHit);
  EXPECT_EQ(look_up(1, true).value, "value");
  EXPECT_EQ(look_up(1, true).result, Result::kMiss);
  EXPECT_EQ(redis_.cli({"DBSIZE"}), "0");
}

TEST_F(SingleServer, Removes) {
  start({redis_.unix_url()});
  EXPECT_EQ(store(1, "value"), CacheResult::kHit);
  tier_->remove(name(1));
  EXPECT_EQ(look_up(1).result, Result::kMiss);
}

TEST_F(SingleServer, AnAclUserNeedsNoMoreThanIsDocumented) {
  redis_.cli({"ACL", "SETUSER", "usher", "on", ">p@ss", "~usher:s:*", "+get", "+getdel", "+set",
              "+unlink", "+select"});
  start({tcp("usher:p%40ss@", "/7")});
  EXPECT_EQ(store(1, "value"), CacheResult::kHit);
  EXPECT_EQ(redis_.cli({"-n", "7", "DBSIZE"}), "1");
  EXPECT_EQ(look_up(1).value, "value");
  EXPECT_EQ(look_up(1, true).value, "value");
  redis_.cli({"ACL", "SETUSER", "usher", "-get"});
  EXPECT_EQ(look_up(1).result, Result::kError);
  EXPECT_EQ(store(1, "value"), CacheResult::kHit);
}

TEST_F(SingleServer, ManyLookUpsKeepApart) {
  start({redis_.unix_url()});
  for (int i = 0; i < 500; ++i) {
    tier_->set(name(i), bytes_of("value " + std::to_string(i)), 60s);
  }
  int hits = 0;
  for (int i = 0; i < 500; ++i) {
    ASSERT_NE(tier_->get(name(i), false,
                         [&, wanted = "value " + std::to_string(i)](Result, ByteView value) {
                           hits += text_of(value) == wanted ? 1 : 0;
                         }),
              0U);
  }
  EXPECT_TRUE(run_until([&] { return hits == 500; }));
}

TEST_F(SingleServer, ACancelledLookUpIsNotAnswered) {
  start({redis_.unix_url()});
  bool called = false;
  const auto ticket = tier_->get(name(1), false, [&](Result, ByteView) { called = true; });
  ASSERT_NE(ticket, 0U);
  tier_->cancel(ticket);
  EXPECT_EQ(look_up(2).result, Result::kMiss);
  EXPECT_FALSE(called);
  tier_->cancel(ticket);  // long over
  EXPECT_EQ(look_up(3).result, Result::kMiss);
}

TEST_F(SingleServer, LookUpsUnderWayAreBounded) {
  start({redis_.unix_url()});
  redis_.pause();
  std::size_t admitted = 0;
  while (tier_->get(name(1), false, [](Result, ByteView) {}) != 0) {
    ++admitted;
  }
  EXPECT_LE(admitted, RedisTier::kLookupsMax);
  redis_.resume();
}

TEST_F(SingleServer, NothingIsCalledAfterClose) {
  start({redis_.unix_url()});
  ASSERT_NE(tier_->get(name(1), false, [](Result, ByteView) { ADD_FAILURE(); }), 0U);
  tier_->close();
  EXPECT_EQ(tier_->get(name(1), false, [](Result, ByteView) { ADD_FAILURE(); }), 0U);
  tier_->set(name(1), bytes_of("value"), 60s);
  tier_->remove(name(1));
  turn();
  EXPECT_EQ(stores(CacheResult::kSkipped), 1U);
}

TEST_F(SingleServer, MayBeClosedFromACallback) {
  start({redis_.unix_url()});
  bool called = false;
  for (int i = 0; i < 3; ++i) {
    ASSERT_NE(tier_->get(name(i), false,
                         [&](Result, ByteView) {
                           EXPECT_FALSE(called);
                           called = true;
                           tier_->close();
                         }),
              0U);
  }
  EXPECT_TRUE(run_until([&] { return called; }));
  turn();
}

TEST_F(SingleServer, WhatIsTooBigOrOverIsNotStored) {
  start({redis_.unix_url()});
  const std::string big(RedisTier::kValueMax, 'v');
  EXPECT_EQ(store(1, big), CacheResult::kHit);
  EXPECT_EQ(look_up(1).value, big);
  EXPECT_EQ(store(2, big + "v"), CacheResult::kSkipped);
  EXPECT_EQ(store(2, "v", 0ms), CacheResult::kSkipped);
}

TEST_F(SingleServer, IsSkippedWhileItIsGone) {
  start({tcp()});
  EXPECT_EQ(store(1, "value"), CacheResult::kHit);
  redis_.stop();
  ASSERT_TRUE(run_until([&] { return row().up.value() == 0; }));
  EXPECT_EQ(row().breaker_open.value(), 1U);
  EXPECT_EQ(look_up(1).result, Result::kSkipped);
  EXPECT_EQ(store(1, "value"), CacheResult::kSkipped);
}

TEST_F(SingleServer, ComesBackOnItsSocketAfterARestart) {
  start({redis_.unix_url()});
  redis_.restart_empty();
  ASSERT_TRUE(run_until([&] { return store(1, "value") == CacheResult::kHit; }));
  EXPECT_EQ(look_up(1).value, "value");
}

// --- slow and frozen servers

TEST_F(SingleServer, AFrozenOneCostsTheDeadlineUntilTheBreakerOpensThenNothing) {
  timeout_ = kShort;
  start({redis_.unix_url()});
  ASSERT_TRUE(stored(1, "value"));
  redis_.pause();
  int timeouts = 0;
  for (Answer answer = look_up(1); answer.result != Result::kSkipped; answer = look_up(1)) {
    EXPECT_EQ(answer.result, Result::kTimeout);
    EXPECT_GE(answer.took, kShort - 1ms);
    ASSERT_LE(++timeouts, 5);
  }
  EXPECT_EQ(timeouts, 5);
  EXPECT_EQ(row().breaker_open.value(), 1U);
  EXPECT_EQ(row().up.value(), 1U);
  EXPECT_EQ(store(1, "value"), CacheResult::kSkipped);
  redis_.resume();
  ASSERT_TRUE(run_until([&] { return look_up(1).result == Result::kHit; }));
  EXPECT_EQ(row().breaker_open.value(), 0U);
}

// The connection is not given up before, as silent for too long.
TEST_F(SingleServer, ALookUpIsGivenAllOfALongTime) {
  timeout_ = 1200ms;
  start({redis_.unix_url()});
  redis_.pause();
  const Answer answer = look_up(1);
  EXPECT_EQ(answer.result, Result::kTimeout);
  EXPECT_GE(answer.took, timeout_ - 1ms);
  redis_.resume();
}

TEST_F(SingleServer, AFrozenOneIsProbedByOneRequestAtATime) {
  timeout_ = kShort;
  start({redis_.unix_url()});
  redis_.pause();
  int admitted = 0;
  for (int i = 0; i < 5; ++i) {
    (void)look_up(1);
  }
  ASSERT_TRUE(run_until([&] {
    admitted += tier_->get(name(1), false, [](Result, ByteView) {}) != 0 ? 1 : 0;
    return admitted == 1;
  }));
  EXPECT_EQ(look_up(1).result, Result::kSkipped);
  EXPECT_EQ(look_up(2).result, Result::kSkipped);
  redis_.resume();
}

TEST_F(SingleServer, StoresAloneOpenTheBreakerToo) {
  timeout_ = kShort;
  start({redis_.unix_url()});
  redis_.pause();
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(store(i, "value"), CacheResult::kTimeout);
  }
  EXPECT_EQ(store(6, "value"), CacheResult::kSkipped);
  EXPECT_EQ(look_up(6).result, Result::kSkipped);
  redis_.resume();
}

TEST_F(SingleServer, StoresForAFrozenOneAreBounded) {
  start({redis_.unix_url()});
  redis_.pause();
  const std::string value(1000, 'v');
  for (int i = 0; i < 5000; ++i) {
    tier_->set(name(i), bytes_of(value), 60s);
  }
  EXPECT_GE(stores(CacheResult::kSkipped), 5000U - 2048U);
  redis_.resume();
}

TEST_F(SingleServer, OneThatSleepsIsAskedAgainWhenItIsAwake) {
  timeout_ = kShort;
  start({redis_.unix_url()});
  ASSERT_TRUE(stored(1, "value"));
  std::thread sleep([&] { redis_.cli({"DEBUG", "SLEEP", "0.4"}); });
  ASSERT_TRUE(run_until([&] { return look_up(1).result == Result::kTimeout; }));
  ASSERT_TRUE(run_until([&] { return look_up(1).result == Result::kHit; }));
  sleep.join();
}

TEST_F(SingleServer, ClientPauseIsASilenceLikeAnother) {
  timeout_ = kShort;
  start({redis_.unix_url()});
  ASSERT_TRUE(stored(1, "value"));
  redis_.cli({"CLIENT", "PAUSE", "100000", "WRITE"});
  ASSERT_TRUE(run_until([&] { return look_up(1).result == Result::kHit; }));
  EXPECT_EQ(look_up(1, true).result, Result::kTimeout);
  redis_.cli({"CLIENT", "UNPAUSE"});
  ASSERT_TRUE(run_until([&] {  // again, if the machine took that long
    redis_.cli({"CLIENT", "PAUSE", "300", "ALL"});
    return look_up(1).result == Result::kTimeout;
  }));
  ASSERT_TRUE(run_until([&] {
    const Result result = look_up(1).result;
    return result == Result::kHit || result == Result::kMiss;
  }));
}

// --- servers that refuse

TEST_F(SingleServer, AFullOneAnswersLookUpsAllTheSame) {
  start({redis_.unix_url()});
  EXPECT_EQ(store(1, "value"), CacheResult::kHit);
  redis_.cli({"CONFIG", "SET", "maxmemory", "1"});
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(store(2, "value"), CacheResult::kError);
  }
  EXPECT_EQ(look_up(1).value, "value");
  EXPECT_EQ(row().breaker_open.value(), 0U);
}

TEST_F(SingleServer, AReplicaAnswersLookUpsAndIsLeftForItsMaster) {
  RedisServer master{{"--repl-diskless-sync-delay", "0"}};
  start({redis_.unix_url()});
  EXPECT_EQ(store(1, "value"), CacheResult::kHit);
  redis_.cli({"REPLICAOF", "127.0.0.1", std::to_string(master.port())});
  ASSERT_TRUE(run_until([&] {
    return redis_.cli({"INFO", "replication"}).find("link_status:up") != std::string::npos;
  }));
  EXPECT_EQ(look_up(1).result, Result::kMiss);
  EXPECT_EQ(store(1, "value"), CacheResult::kError);
  EXPECT_EQ(row().up.value(), 0U);
  ASSERT_TRUE(run_until([&] { return row().up.value() == 1; }));
  for (int i = 0; i < 10; ++i) {  // it is the same one again: not left for a while
    EXPECT_EQ(store(1, "value"), CacheResult::kError);
  }
  EXPECT_EQ(look_up(1).result, Result::kMiss);
  redis_.cli({"REPLICAOF", "NO", "ONE"});
  EXPECT_EQ(store(1, "value"), CacheResult::kHit);
}

TEST_F(SingleServer, AnotherTypeUnderTheNameIsAnErrorOfThatName) {
  start({redis_.unix_url()});
  redis_.cli({"LPUSH", "usher:s:" + hex(name(1)), "a"});
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(look_up(1).result, Result::kError);
    EXPECT_EQ(look_up(1, true).result, Result::kError);
  }
  EXPECT_EQ(store(2, "value"), CacheResult::kHit);
  EXPECT_EQ(look_up(2).value, "value");
}

TEST_F(SingleServer, AForeignersHugeValueIsALie) {
  start({redis_.unix_url()});
  redis_.cli({"SETRANGE", "usher:s:" + hex(name(1)), "1000000", "x"});
  EXPECT_EQ(look_up(1).result, Result::kLiar);
  EXPECT_EQ(row().up.value(), 0U);
  ASSERT_TRUE(run_until([&] { return row().up.value() == 1; }));
  EXPECT_EQ(look_up(2).result, Result::kMiss);
}

TEST_F(SingleServer, APasswordThatIsAskedForLaterEndsTheConnection) {
  start({tcp()});
  redis_.cli({"ACL", "SETUSER", "default", "resetpass", ">new"});
  redis_.cli({"-a", "new", "CLIENT", "KILL", "TYPE", "NORMAL"});
  ASSERT_TRUE(run_until([&] { return row().up.value() == 0; }));
  EXPECT_EQ(look_up(1).result, Result::kSkipped);
}

class OldServer : public TierTest {
 protected:
  RedisServer redis_{{"--rename-command", "GETDEL", ""}};
};

TEST_F(OldServer, TakesOutByScript) {
  start({redis_.unix_url()});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(store(1, "value"), CacheResult::kHit);
    EXPECT_EQ(look_up(1, true).value, "value");
    EXPECT_EQ(look_up(1, true).result, Result::kMiss);
  }
  EXPECT_EQ(redis_.cli({"DBSIZE"}), "0");
}

}  // namespace
}  // namespace usher::session
