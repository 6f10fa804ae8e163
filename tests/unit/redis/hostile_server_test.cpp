#include <sys/resource.h>

#include "tests/unit/redis/support/fake_redis.h"

// What a server may send, a connection must survive: it ends the command with the outcome that
// fits, takes no memory for promises and tries again.
namespace usher::redis {
namespace {

using namespace std::chrono_literals;

struct Lie {
  const char* name;
  std::string answer;
  Expected expected = kText;
};

class LyingServer : public ConnectionTest, public ::testing::WithParamInterface<Lie> {};

long resident_kib() {
  rusage usage{};
  (void)::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

TEST_P(LyingServer, IsLeftAtOnceWithoutMemoryForWhatItPromises) {
  FakeRedis fake(loop_, answering(GetParam().answer));
  connect(fake.server());
  until_ready();
  const long before = resident_kib();
  const Ended ended = ask({"GET", "a"}, GetParam().expected);
  EXPECT_EQ(ended.outcome, Outcome::kMalformed);
  EXPECT_FALSE(connection_->ready());
  EXPECT_LT(resident_kib() - before, 8 * 1024);
  until_ready();
  EXPECT_EQ(fake.accepted(), 2);
}

std::string many(const std::string& piece, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) {
    all += piece;
  }
  return all;
}

constexpr Expected kList{static_cast<std::uint8_t>(Reply::Type::kArray), 100, 64};

INSTANTIATE_TEST_SUITE_P(
    Lies, LyingServer,
    ::testing::Values(
        Lie{"unasked_array_of_two_billion", "*2147483647\r\n"},
        Lie{"array_of_two_billion", "*2147483647\r\n", kList},
        Lie{"array_beyond_int", "*9223372036854775807\r\n", kList},
        Lie{"array_below_zero", "*-2\r\n", kList}, Lie{"one_element_too_many", "*65\r\n", kList},
        Lie{"nested_arrays", many("*8\r\n", 9), kList},
        Lie{"wide_nested_arrays", "*60\r\n*60\r\n", kList},
        Lie{"too_much_text_in_all",
            "*2\r\n$60\r\n" + std::string(60, 'a') + "\r\n$60\r\n" + std::string(60, 'b') + "\r\n",
            kList},
        Lie{"bulk_of_two_billion", "$2147483647\r\n"}, Lie{"bulk_a_byte_too_long", "$65537\r\n"},
        Lie{"bulk_of_more_than_a_number_holds", "$99999999999999999999999"},
        Lie{"element_of_two_billion", "*2\r\n$1\r\na\r\n$2147483647\r\n", kList},
        Lie{"text_too_long", "$65537\r\n" + std::string(65537, 'a') + "\r\n"},
        Lie{"endless_bulk", "$9223372036854775807\r\n" + std::string(80'000, 'a')},
        Lie{"endless_line", "+" + std::string(80'000, 'a')},
        Lie{"endless_length", "$" + std::string(80'000, '1')},
        Lie{"error_too_long", "-" + std::string(5'000, 'a') + "\r\n"},
        Lie{"bulk_below_nil", "$-2\r\n"}, Lie{"length_overflow", "$99999999999999999999\r\n"},
        Lie{"length_not_a_number", "$1x\r\n"}, Lie{"integer_for_text", ":1\r\n"},
        Lie{"status_for_text", "+OK\r\n"}, Lie{"array_for_text", "*1\r\n$1\r\na\r\n"},
        Lie{"integer_not_a_number", ":one\r\n", Expected::one_of(Reply::Type::kInteger)},
        Lie{"integer_overflow", ":9223372036854775808\r\n",
            Expected::one_of(Reply::Type::kInteger)},
        Lie{"resp3_map", "%1\r\n+a\r\n+b\r\n"}, Lie{"http", "HTTP/1.1 400 Bad Request\r\n\r\n"},
        Lie{"tls_alert", std::string("\x15\x03\x03\x00\x02\x02\x28", 7)},
        Lie{"zeros", std::string(64, '\0')}),
    [](const auto& lie) { return lie.param.name; });

class HostileServer : public ConnectionTest {};

TEST_F(HostileServer, ReplyToNoCommandEndsTheConnection) {
  FakeRedis fake(loop_, answering("$1\r\na\r\n$1\r\nb\r\n"));
  connect(fake.server());
  until_ready();
  const Ended ended = ask({"GET", "a"}, kText);
  EXPECT_EQ(ended.outcome, Outcome::kReply);
  EXPECT_EQ(ended.reply.text, "a");
  if (connection_->ready()) {
    until_ready(false);
  }
  EXPECT_NE(states_.back().find("a reply to no command"), std::string::npos) << states_.back();
}

TEST_F(HostileServer, SlowBytesAreStillAReply) {
  FakeRedis fake(loop_, [](FakeRedis& server, std::string& bytes) {
    server.send_slowly(bytes == kPing ? "+PONG\r\n"
                                      : "*3\r\n$5\r\nhe\r\no\r\n:-7\r\n*1\r\n$-1\r\n");
    bytes.clear();
  });
  connect(fake.server());
  until_ready();
  const Ended ended = ask({"LRANGE", "a", "0", "-1"}, kList);
  ASSERT_EQ(ended.outcome, Outcome::kReply);
  ASSERT_EQ(ended.reply.elements.size(), 3U);
  EXPECT_EQ(ended.reply.elements[0].text, "he\r\no");
  EXPECT_EQ(ended.reply.elements[1].integer, -7);
  ASSERT_EQ(ended.reply.elements[2].elements.size(), 1U);
  EXPECT_TRUE(ended.reply.elements[2].elements[0].is(Reply::Type::kNil));
}

TEST_F(HostileServer, SilenceEndsTheCommandInTimeAndTheConnectionLater) {
  FakeRedis fake(loop_, answering(""));
  connect(fake.server(), kHasty);
  until_ready();
  EXPECT_EQ(ask({"GET", "a"}, kText, 20ms).outcome, Outcome::kTimeout);
  if (connection_->ready()) {
    until_ready(false);
  }
  EXPECT_NE(states_.back().find("has not answered"), std::string::npos) << states_.back();
  until_ready();
}

TEST_F(HostileServer, ByteByByteWithoutEndCountsAsSilence) {
  FakeRedis fake(loop_, [](FakeRedis& server, std::string& bytes) {
    bytes == kPing ? server.send("+PONG\r\n") : server.send_slowly(std::string(1'000'000, '+'));
    bytes.clear();
  });
  connect(fake.server(), kHasty);
  until_ready();
  EXPECT_NE(ask({"GET", "a"}, Expected{255, 100'000'000, 0}, 20ms).outcome, Outcome::kReply);
  if (connection_->ready()) {
    until_ready(false);
  }
  EXPECT_NE(states_.back().find("has not answered"), std::string::npos) << states_.back();
}

TEST_F(HostileServer, ALateReplyIsNotTheNextCommands) {
  FakeRedis fake(loop_, [](FakeRedis& server, std::string& bytes) {
    if (bytes == kPing) {
      server.send("+PONG\r\n");
      bytes.clear();
    } else if (bytes.find("second") != std::string::npos) {
      server.send("$5\r\nfirst\r\n$6\r\nsecond\r\n");
      bytes.clear();
    }
  });
  connect(fake.server());
  until_ready();
  EXPECT_EQ(ask({"GET", "first"}, kText, 10ms).outcome, Outcome::kTimeout);
  EXPECT_EQ(ask({"GET", "second"}, kText).reply.text, "second");
}

TEST_F(HostileServer, ResetEndsEveryCommandThatWaits) {
  FakeRedis fake(loop_, [](FakeRedis& server, std::string& bytes) {
    bytes == kPing ? server.send("+PONG\r\n") : server.reset();
    bytes.clear();
  });
  connect(fake.server());
  until_ready();
  std::vector<Outcome> outcomes;
  for (int i = 0; i < 3; ++i) {
    connection_->command({"GET", "a"}, kText, 5s, [&](Outcome outcome, const Reply&) {
      outcomes.push_back(outcome);
      if (outcomes.size() == 3) {
        loop_.stop();
      }
    });
  }
  run();
  EXPECT_EQ(outcomes, std::vector<Outcome>(3, Outcome::kDisconnected));
}

TEST_F(HostileServer, OneThatSaysNothingAtAllNeverGetsReady) {
  FakeRedis fake(loop_, [](FakeRedis&, std::string&) {});
  connect(fake.server(), {50ms, 50ms, 5ms, 5ms});
  until_ready(false);
  until_ready(false);
  EXPECT_EQ(states_, std::vector<std::string>(2, "no answer within the time to connect"));
}

TEST_F(HostileServer, AFullPipelineTakesNoMore) {
  FakeRedis fake(loop_, answering(""));
  connect(fake.server());
  until_ready();
  std::vector<Outcome> outcomes;
  const auto note = [&](Outcome outcome, const Reply&) { outcomes.push_back(outcome); };
  for (std::size_t i = 0; i < Pipeline::kCommandsMax + 2; ++i) {
    connection_->command({"GET", "a"}, kText, 1h, note);
  }
  turn();
  EXPECT_EQ(outcomes, std::vector<Outcome>(2, Outcome::kFull));
  const std::string big(Pipeline::kOutputBytesMax, 'x');
  EXPECT_EQ(ask({"SET", "a", big}, kText).outcome, Outcome::kFull);
}

TEST_F(HostileServer, ACallbackMayCloseTheConnection) {
  FakeRedis fake(loop_, answering("$1\r\na\r\n$1\r\na\r\n"));
  connect(fake.server());
  until_ready();
  int called = 0;
  for (int i = 0; i < 2; ++i) {
    connection_->command({"GET", "a"}, kText, 5s, [&](Outcome, const Reply&) {
      ++called;
      connection_->close();
    });
  }
  turn();
  EXPECT_EQ(called, 1);
  EXPECT_EQ(states_, std::vector<std::string>{"ready"});
}

TEST_F(HostileServer, ACallbackMayAskForAnotherConnection) {
  FakeRedis fake(loop_, answering("-READONLY You can't write against a read only replica.\r\n"));
  connect(fake.server());
  until_ready();
  std::vector<Outcome> outcomes;
  for (int i = 0; i < 2; ++i) {
    connection_->command({"SET", "a", "b"}, kText, 5s, [&](Outcome outcome, const Reply&) {
      outcomes.push_back(outcome);
      connection_->reconnect("a replica");
    });
  }
  until_ready(false);
  EXPECT_EQ(outcomes, (std::vector<Outcome>{Outcome::kRefused, Outcome::kDisconnected}));
  EXPECT_EQ(states_.back(), "a replica");
}

TEST_F(HostileServer, AttemptsComeBackWithGrowingPauses) {
  FakeRedis fake(loop_, [](FakeRedis& server, std::string&) { server.end(); });
  connect(fake.server(), {30s, 30s, 10ms, 80ms});
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 6; ++i) {
    until_ready(false);
  }
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(took, 5ms + 10ms + 20ms + 40ms + 40ms);  // the least that 10, 20, 40, 80, 80 can be
  EXPECT_EQ(fake.accepted(), 6);
}

}  // namespace
}  // namespace usher::redis
