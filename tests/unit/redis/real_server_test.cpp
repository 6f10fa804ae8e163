#include "tests/support/redis_server.h"

#include <algorithm>
#include <thread>

#include "tests/unit/redis/support/fake_redis.h"

// Against Debian's redis-server, over both kinds of socket.
namespace usher::redis {
namespace {

using namespace std::chrono_literals;

constexpr Expected kStatus = Expected::one_of(Reply::Type::kStatus);

class RealServer : public ConnectionTest {
 protected:
  void connect_to(const std::string& url, Connection::Options options = kPatient) {
    auto server = parse_url(url);
    ASSERT_TRUE(server) << server.error().message;
    connect(*server, options);
  }
  std::string tcp(const std::string& credentials = "", const std::string& host = "127.0.0.1") {
    return "redis://" + credentials + host + ":" + std::to_string(redis_.port());
  }

  RedisServer redis_;
};

TEST_F(RealServer, AnswersOverTcp) {
  connect_to(tcp());
  until_ready();
  const std::string value("a\0\r\nb", 5);
  EXPECT_EQ(ask({"SET", "name", value}, kStatus).outcome, Outcome::kReply);
  EXPECT_EQ(ask({"GET", "name"}, kText).reply.text, value);
  EXPECT_TRUE(ask({"GET", "none"}, kText).reply.is(Reply::Type::kNil));
  EXPECT_EQ(ask({"INCR", "n"}, Expected::one_of(Reply::Type::kInteger)).reply.integer, 1);
  const Ended ended = ask({"INCR", "name"}, Expected::one_of(Reply::Type::kInteger));
  EXPECT_EQ(ended.outcome, Outcome::kRefused);
  EXPECT_TRUE(ended.reply.text.starts_with("ERR")) << ended.reply.text;
}

TEST_F(RealServer, AnswersUnderAName) {
  connect_to(tcp("", "localhost"));
  until_ready();
  EXPECT_EQ(ask({"PING"}, kStatus).reply.text, "PONG");
}

TEST_F(RealServer, AnswersOnAUnixSocketAndInAnotherDatabase) {
  connect_to(redis_.unix_url() + "?db=5");
  until_ready();
  EXPECT_EQ(ask({"SET", "a", "five"}, kStatus).outcome, Outcome::kReply);
  EXPECT_EQ(redis_.cli({"-n", "5", "GET", "a"}), "five");
  EXPECT_EQ(redis_.cli({"GET", "a"}), "");
}

TEST_F(RealServer, AclUserMaySignIn) {
  redis_.cli({"ACL", "SETUSER", "keyd", "on", ">p@ss", "~k:*", "+get", "+set"});
  connect_to(tcp("keyd:p%40ss@"));
  until_ready();
  EXPECT_EQ(ask({"SET", "k:a", "1"}, kStatus).outcome, Outcome::kReply);
  EXPECT_TRUE(ask({"SET", "other", "1"}, kStatus).reply.text.starts_with("NOPERM"));
}

TEST_F(RealServer, WrongPasswordIsSaidAndTriedAgain) {
  redis_.cli({"ACL", "SETUSER", "keyd", "on", ">right", "allcommands", "allkeys"});
  connect_to(tcp("keyd:wrong@"));
  until_ready(false);
  EXPECT_NE(states_.back().find("WRONGPASS"), std::string::npos) << states_.back();
  redis_.cli({"ACL", "SETUSER", "keyd", ">wrong"});
  until_ready();
}

TEST_F(RealServer, MissingPasswordIsSaid) {
  redis_.cli({"CONFIG", "SET", "requirepass", "secret"});
  connect_to(redis_.unix_url());
  until_ready(false);
  EXPECT_NE(states_.back().find("NOAUTH"), std::string::npos) << states_.back();
}

TEST_F(RealServer, ADefaultUserWithoutPingIsReadyAllTheSame) {
  redis_.cli({"ACL", "SETUSER", "default", "-ping"});
  connect_to(tcp());
  until_ready();
  redis_.cli({"ACL", "SETUSER", "default", "+ping"});
}

TEST_F(RealServer, CommandsAreAnsweredInOrder) {
  connect_to(redis_.unix_url());
  until_ready();
  std::vector<std::int64_t> numbers;
  for (int i = 0; i < 1000; ++i) {
    connection_->command({"INCR", "n"}, Expected::one_of(Reply::Type::kInteger), 5s,
                         [&](Outcome, const Reply& reply) {
                           numbers.push_back(reply.integer);
                           if (numbers.size() == 1000) {
                             loop_.stop();
                           }
                         });
  }
  run();
  ASSERT_EQ(numbers.size(), 1000U);
  EXPECT_TRUE(std::ranges::is_sorted(numbers));
  EXPECT_EQ(numbers.back(), 1000);
}

TEST_F(RealServer, AnAnswerThatTheLoopWasTooBusyToReadIsNotLate) {
  connect_to(tcp());
  until_ready();
  std::vector<Outcome> outcomes;
  for (int i = 0; i < 1500; ++i) {  // more than one read of answers
    connection_->command({"ECHO", std::string(20, 'e')}, kText, 20ms,
                         [&](Outcome outcome, const Reply&) { outcomes.push_back(outcome); });
  }
  for (int i = 0; i < 10; ++i) {  // each is answered after what came before it
    redis_.cli({"PING"});
  }
  std::this_thread::sleep_for(20ms);
  turn();
  EXPECT_EQ(outcomes, std::vector<Outcome>(1500, Outcome::kReply));
}

TEST_F(RealServer, ALargeValueComesWhole) {
  connect_to(redis_.unix_url());
  until_ready();
  const std::string value(1'000'000, 'v');
  EXPECT_EQ(ask({"SET", "a", value}, kStatus).outcome, Outcome::kReply);
  EXPECT_EQ(ask({"GET", "a"}, Expected{kText.types, 1'000'000, 0}).reply.text, value);
  EXPECT_EQ(ask({"GET", "a"}, Expected{kText.types, 999'999 - 16'384, 0}).outcome,
            Outcome::kMalformed);
}

TEST_F(RealServer, ComesBackAfterARestart) {
  connect_to(redis_.unix_url());
  until_ready();
  redis_.stop();
  until_ready(false);
  std::optional<Outcome> outcome;
  connection_->command({"PING"}, kStatus, 1s,
                       [&](Outcome ended, const Reply&) { outcome = ended; });
  turn();
  EXPECT_EQ(outcome, Outcome::kNotConnected);
  redis_.start();
  until_ready();
  EXPECT_EQ(ask({"PING"}, kStatus).reply.text, "PONG");
}

TEST_F(RealServer, StoppedOneIsGivenUpAndFoundAgain) {
  connect_to(redis_.unix_url(), kHasty);
  until_ready();
  redis_.pause();
  EXPECT_EQ(ask({"PING"}, kStatus, 20ms).outcome, Outcome::kTimeout);
  until_ready(false);
  redis_.resume();
  until_ready();
}

TEST_F(RealServer, NobodyThereIsSaid) {
  redis_.stop();
  connect_to(tcp());
  until_ready(false);
  EXPECT_EQ(states_.back(), "Connection refused");
  connect_to("redis://name.invalid");
  until_ready(false);
  EXPECT_NE(states_.back().find("cannot resolve"), std::string::npos) << states_.back();
}

}  // namespace
}  // namespace usher::redis
