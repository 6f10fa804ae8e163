#include "proxy/ctl/control_client.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/unit/ctl/support/fake_daemon.h"
#include "tests/unit/ctl/support/test_directory.h"

namespace usher::ctl {
namespace {

using namespace std::chrono_literals;
using test::FakeDaemon;
using test::http;

class Asking : public testing::Test {
 protected:
  // Why there is no answer.
  static std::string refusal(const ControlClient& client) {
    const auto reply = client.get("/status");
    return reply ? "HTTP " + std::to_string(reply->status) : reply.error().message;
  }
  std::string refusal_of(const std::string& answer) {
    const FakeDaemon daemon(path_, [&](const FakeDaemon::Request&) { return answer; });
    std::string why = refusal(ControlClient(path_));
    std::filesystem::remove(path_);
    return why;
  }

  const test::TestDirectory directory_;
  const std::string path_ = directory_ / "ctl.sock";
};

TEST_F(Asking, GetsAnAnswer) {
  const FakeDaemon daemon(path_,
                          [](const auto&) { return http(200, "text/plain", "all is well"); });
  const auto reply = ControlClient(path_).get("/status");
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(reply->status, 200);
  EXPECT_EQ(reply->content_type, "text/plain");
  EXPECT_EQ(reply->text(), "all is well");
  EXPECT_EQ(daemon.requests().at(0).line, "GET /status");
}

TEST_F(Asking, PostsABody) {
  const FakeDaemon daemon(path_, [](const auto& request) {
    return http(200, "application/octet-stream", request.body);
  });
  const std::string body(200'000, 'k');  // more than the socket holds at once
  const auto reply = ControlClient(path_).post("/keys/import?format=nginx", bytes_of(body));
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(reply->text(), body);
  EXPECT_EQ(daemon.requests().at(0).line, "POST /keys/import?format=nginx");
}

TEST_F(Asking, ARefusalIsAReplyToo) {
  EXPECT_EQ(refusal_of(http(403, nlohmann::json::object())), "HTTP 403");
}

TEST_F(Asking, WhatIsWrongWithTheSocket) {
  EXPECT_NE(refusal(ControlClient(path_)).find(path_ + ": there is no such socket"),
            std::string::npos);
  {
    const FakeDaemon ended(path_, [](const auto&) { return std::string(); });
  }
  EXPECT_NE(refusal(ControlClient(path_)).find("nobody listens on it"), std::string::npos);
  EXPECT_FALSE(ControlClient(path_).daemon_runs());
  const std::string file = directory_ / "file";
  test::write_file(file, "no socket");
  EXPECT_EQ(refusal(ControlClient(file)), file + ": that is no socket");
  EXPECT_EQ(refusal(ControlClient("")), "\"\": a socket's path has 1 to 107 bytes");
  EXPECT_NE(refusal(ControlClient(directory_ / std::string(108, 'x'))).find("1 to 107 bytes"),
            std::string::npos);
  EXPECT_NE(refusal(ControlClient(directory_ / "\x1b")).find("/\\x1b: there is no such socket"),
            std::string::npos);
}

TEST_F(Asking, WhatIsNoAnswerOfOurDaemons) {
  for (const std::string& answer : {
           std::string("SSH-2.0-OpenSSH_9.2\r\n\r\n"),
           std::string("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
           std::string("HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n"),
           std::string("HTTP/1.1 200 OK\r\n\r\n"),
           std::string("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
           std::string("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"),
           std::string("HTTP/1.1 200 OK\r\nno field\r\nContent-Length: 0\r\n\r\n"),
           std::string(20'000, 'x'),
       }) {
    EXPECT_EQ(refusal_of(answer), path_ + ": what answers there is no usher or usher-keyd")
        << answer.substr(0, 60);
  }
}

TEST_F(Asking, AnAnswerThatIsCutOff) {
  for (const std::string& answer :
       {std::string(), std::string("HTTP/1.1 200 OK\r\nContent-Le"),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfour")}) {
    EXPECT_EQ(refusal_of(answer),
              path_ + ": the daemon closed the connection before its answer was whole")
        << answer;
  }
}

TEST_F(Asking, ADaemonThatDoesNotAnswer) {
  const UniqueFd silent(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path_.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(silent.value(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(silent.value(), 0), 0);  // one waits to be accepted, the next finds no room
  const ControlClient client(path_, 100ms);
  for (const char* where : {"in the answer", "in the queue"}) {
    const auto begun = std::chrono::steady_clock::now();
    EXPECT_EQ(refusal(client), path_ + ": no answer in time; the daemon is stopped or very busy")
        << where;
    EXPECT_LT(std::chrono::steady_clock::now() - begun, 5s) << where;
    EXPECT_TRUE(client.daemon_runs()) << where;
  }
}

}  // namespace
}  // namespace usher::ctl
