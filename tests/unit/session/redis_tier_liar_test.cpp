#include <string>
#include <utility>

#include "tests/support/redis_server.h"
#include "tests/unit/redis/support/fake_redis.h"
#include "tests/unit/session/support/tier_test.h"

// The Redis tier on servers that answer what no Redis would.
namespace usher::session {
namespace {

using namespace std::chrono_literals;
using redis::FakeRedis;
using Result = RedisTier::Result;

std::string url_of(const FakeRedis& fake) {
  return "redis://127.0.0.1:" + std::to_string(fake.server().port);
}

struct Lie {
  const char* name;
  std::string answer;
  Result result = Result::kLiar;
};

class LyingServer : public TierTest, public ::testing::WithParamInterface<Lie> {};

TEST_P(LyingServer, EndsTheLookUp) {
  if (GetParam().result == Result::kTimeout) {
    timeout_ = kShort;
  }
  FakeRedis fake(loop_, redis::answering(GetParam().answer));
  start({url_of(fake)});
  for (const bool once : {false, true}) {
    ASSERT_TRUE(run_until([&] { return row().up.value() == 1; }));
    const Answer answer = look_up(1, once);
    EXPECT_EQ(answer.result, GetParam().result);
    EXPECT_EQ(answer.value, "");
  }
}

std::string many(const std::string& piece, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) {
    all += piece;
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(
    Lies, LyingServer,
    ::testing::Values(Lie{"giant_announcement", "$2147483647\r\n"},
                      Lie{"giant_array", "*2147483647\r\n"},
                      Lie{"endless_bulk", "$9223372036854775807\r\n" + std::string(80'000, 'a')},
                      Lie{"endless_line", "+" + std::string(80'000, 'a')}, Lie{"status", "+OK\r\n"},
                      Lie{"integer", ":1\r\n"}, Lie{"array", "*1\r\n$1\r\na\r\n"},
                      Lie{"http", "HTTP/1.1 200 OK\r\n\r\n"}, Lie{"zeros", std::string(64, '\0')},
                      Lie{"endless_error", "-" + many("ERR ", 5000) + "\r\n"},
                      Lie{"moved_without_a_cluster", "-MOVED 1 127.0.0.1:1\r\n", Result::kError},
                      Lie{"loading", "-LOADING Redis is loading\r\n", Result::kError},
                      Lie{"half_a_reply", "$100\r\nabc", Result::kTimeout}),
    [](const auto& lie) { return lie.param.name; });

class HostileServer : public TierTest {};

TEST_F(HostileServer, LiesOpenTheBreakerToo) {
  FakeRedis fake(loop_, redis::answering("+lie\r\n"));
  start({url_of(fake)});
  int lies = 0;
  ASSERT_TRUE(run_until([&] {
    lies += look_up(1).result == Result::kLiar ? 1 : 0;
    return lies == 5;
  }));
  ASSERT_TRUE(run_until([&] { return row().up.value() == 1; }));
  EXPECT_EQ(row().breaker_open.value(), 1U);
}

TEST_F(HostileServer, WhatIsRefusedAtOnceForOneKeyOpensNothing) {
  FakeRedis fake(loop_, redis::answering("-CLUSTERDOWN The cluster is down\r\n"));
  start({url_of(fake)});
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(look_up(1).result, Result::kError);
  }
  EXPECT_EQ(row().breaker_open.value(), 0U);
}

// Answers PING, CLUSTER SLOTS with `slots` and everything else with `rest`; counts the former.
FakeRedis::OnBytes clustered(std::string slots, std::string rest, int& asked) {
  return [slots = std::move(slots), rest = std::move(rest), &asked](FakeRedis& fake,
                                                                    std::string& bytes) {
    const std::string taken = std::exchange(bytes, "");
    if (taken.find("PING") != std::string::npos) {
      fake.send("+PONG\r\n");
    }
    if (taken.find("CLUSTER") != std::string::npos) {
      ++asked;
      fake.send(slots);
    }
    const std::string asking = taken.find("ASKING") != std::string::npos ? "+OK\r\n" : "";
    for (auto at = taken.find("usher:s:"); at != std::string::npos;
         at = taken.find("usher:s:", at + 1)) {
      fake.send(asking + rest);
    }
  };
}

const std::string kAllMine = "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$0\r\n\r\n:";

class HostileCluster : public TierTest {
 protected:
  // Serves all slots itself, as it says.
  void start_on(const std::string& rest) {
    std::optional<FakeRedis>& fake = fake_;
    fake.emplace(loop_, [this, rest](FakeRedis& server, std::string& bytes) {
      clustered(kAllMine + std::to_string(server.server().port) + "\r\n", rest, asked_)(server,
                                                                                        bytes);
    });
    start({url_of(*fake)}, true);
    ASSERT_TRUE(run_until([&] { return asked_ > 0 && look_up(1).result != Result::kSkipped; }));
  }

  int asked_ = 0;
  std::optional<FakeRedis> fake_;
};

TEST_F(HostileCluster, ANodeWithoutANameIsTheOneAsked) {
  start_on("$5\r\nvalue\r\n");
  EXPECT_EQ(look_up(1).value, "value");
  EXPECT_EQ(fake_->accepted(), 1);
}

TEST_F(HostileCluster, ARedirectionToNobodyIsAnError) {
  for (const std::string word : {"MOVED", "ASK"}) {
    start_on("-" + word + " 1 :1\r\n");
    EXPECT_EQ(look_up(1).result, Result::kError);
    tier_.reset();
    metrics_.nodes.clear();
  }
}

TEST_F(HostileCluster, MovedToItselfIsFollowedOnce) {
  fake_.emplace(loop_, [this](FakeRedis& server, std::string& bytes) {
    const std::string port = std::to_string(server.server().port);
    clustered(kAllMine + port + "\r\n", "-MOVED 1 127.0.0.1:" + port + "\r\n", asked_)(server,
                                                                                       bytes);
  });
  start({url_of(*fake_)}, true);
  ASSERT_TRUE(run_until([&] { return look_up(1).result == Result::kError; }));
  const int before = asked_;
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(look_up(1).result, Result::kError);
  }
  EXPECT_LE(asked_ - before, 3);  // the map is asked for now and then, not each time
}

// A cluster whose one known node sends everything on to another, which it has not named before.
class SentOn : public HostileCluster, public ::testing::WithParamInterface<const char*> {
 protected:
  void start_with(const std::string& address) {
    std::string moves = std::string("-") + GetParam() + " 1 " + address + "\r\n";
    fake_.emplace(loop_, [this, moves](FakeRedis& server, std::string& bytes) {
      const std::string port = std::to_string(server.server().port);
      clustered(kAllMine + port + "\r\n", moves, asked_)(server, bytes);
    });
    start({url_of(*fake_)}, true);
    ASSERT_TRUE(run_until([&] { return asked_ > 0; }));
    pause(20ms);  // the map is read
  }
  static std::string address_of(const FakeRedis& fake) {
    return "127.0.0.1:" + std::to_string(fake.server().port);
  }
};

TEST_P(SentOn, ALookUpWaitsForTheNodeToBeConnected) {
  int ignored = 0;
  FakeRedis other(loop_, clustered("", "$5\r\nvalue\r\n", ignored));
  start_with(address_of(other));
  EXPECT_EQ(look_up(1).value, "value");
  EXPECT_EQ(other.accepted(), 1);
}

TEST_P(SentOn, AStoreWaitsForTheNodeToBeConnected) {
  int ignored = 0;
  FakeRedis other(loop_, clustered("", "+OK\r\n", ignored));
  start_with(address_of(other));
  EXPECT_EQ(store(1, "value"), CacheResult::kHit);
  EXPECT_EQ(other.accepted(), 1);
}

TEST_P(SentOn, ANodeThatNeverSignsInCostsTheDeadline) {
  timeout_ = kShort;
  FakeRedis other(loop_, [](FakeRedis&, std::string&) {});
  start_with(address_of(other));
  const Answer answer = look_up(1);
  EXPECT_EQ(answer.result, Result::kTimeout);
  EXPECT_GE(answer.took, kShort - 1ms);
}

TEST_P(SentOn, ANodeThatIsGoneIsAnErrorAtOnce) {
  const std::uint16_t nobody = free_port();
  start_with("127.0.0.1:" + std::to_string(nobody));
  EXPECT_EQ(look_up(1).result, Result::kError);  // the deadline is far off
  EXPECT_NE(store(2, "value"), CacheResult::kHit);
}

TEST_P(SentOn, ACancelledLookUpIsForgotten) {
  int ignored = 0;
  FakeRedis other(loop_, clustered("", "$5\r\nvalue\r\n", ignored));
  start_with(address_of(other));
  const auto ticket = tier_->get(name(1), false, [](Result, ByteView) { ADD_FAILURE(); });
  ASSERT_NE(ticket, 0U);
  tier_->cancel(ticket);
  EXPECT_TRUE(run_until([&] { return look_up(2).value == "value"; }));
}

TEST_P(SentOn, ClosingEndsTheWait) {
  FakeRedis other(loop_, [](FakeRedis&, std::string&) {});
  start_with(address_of(other));
  ASSERT_NE(tier_->get(name(1), false, [](Result, ByteView) { ADD_FAILURE(); }), 0U);
  ASSERT_TRUE(run_until([&] { return other.accepted() == 1; }));
  tier_->close();
  pause(20ms);
}

INSTANTIATE_TEST_SUITE_P(By, SentOn, ::testing::Values("MOVED", "ASK"),
                         [](const auto& word) { return std::string(word.param); });

TEST_F(HostileCluster, MapsThatAreNoneAreNotTaken) {
  for (const std::string& slots :
       {std::string("*0\r\n"), std::string("+OK\r\n"), std::string("*1\r\n:1\r\n"),
        std::string("*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\na\r\n:1\r\n"),
        std::string("*2147483647\r\n"), std::string("-ERR no\r\n")}) {
    int asked = 0;
    FakeRedis fake(loop_, clustered(slots, "$-1\r\n", asked));
    metrics_.nodes.clear();
    start({url_of(fake)}, true);
    ASSERT_TRUE(run_until([&] { return asked >= 2; }));
    EXPECT_EQ(look_up(1).result, Result::kSkipped);
    tier_.reset();
  }
}

}  // namespace
}  // namespace usher::session
