#include "proxy/admin/http_server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>

#include "tests/unit/admin/test_server.h"

namespace usher::admin {
namespace {

using namespace std::string_literals;
using std::chrono::milliseconds;

constexpr std::string_view kGet = "GET /page?q HTTP/1.1\r\nHost: x\r\n\r\n";

Access may_read(int) {
  return Access::kRead;
}
Access may_change(int) {
  return Access::kChange;
}
Access may_nothing(int) {
  return Access::kNone;
}

Response echo(const Request& request) {
  Response response;
  response.status = request.path == "/missing" ? 404 : 200;
  response.body = request.method + " " + request.path + " " + request.query + " ";
  response.body += request.body_text();
  return response;
}

bool says(const std::string& response, std::string_view what) {
  return response.find(what) != std::string::npos;
}

TEST(HttpServer, AnswersAndKeepsAlive) {
  TestServer server(may_read, echo);
  TestClient client(server.path());
  for (int i = 0; i < 3; ++i) {
    client.send(kGet);
    const std::string response = client.response();
    EXPECT_TRUE(response.starts_with("HTTP/1.1 200 OK\r\n")) << response;
    EXPECT_TRUE(says(response, "Content-Length: 12\r\n"));
    EXPECT_TRUE(says(response, "Content-Type: text/plain; charset=utf-8\r\n"));
    EXPECT_TRUE(says(response, "Cache-Control: no-store\r\n"));
    EXPECT_TRUE(says(response, "X-Content-Type-Options: nosniff\r\n"));
    EXPECT_TRUE(says(response, " GMT\r\n"));
    EXPECT_TRUE(response.ends_with("\r\n\r\nGET /page q "));
  }
}

TEST(HttpServer, HeadAndNotFound) {
  TestServer server(may_read, echo);
  TestClient client(server.path());
  client.send("HEAD /missing HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string head = client.response(true);
  EXPECT_TRUE(head.starts_with("HTTP/1.1 404 Not Found\r\n"));
  EXPECT_TRUE(says(head, "Content-Length: 15\r\n"));
  client.send(kGet);  // nothing of a body is in between
  EXPECT_TRUE(client.response().starts_with("HTTP/1.1 200 OK\r\n"));
}

TEST(HttpServer, PipelinedRequestsAreAnsweredInOrder) {
  TestServer server(may_read, echo);
  TestClient client(server.path());
  std::string requests;
  for (int i = 0; i < 300; ++i) {
    requests += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\n\r\n";
  }
  client.send(requests);
  for (int i = 0; i < 300; ++i) {
    EXPECT_TRUE(client.response().ends_with("GET /" + std::to_string(i) + "  "));
  }
}

TEST(HttpServer, OneByteAtATime) {
  TestServer server(may_read, echo);
  TestClient client(server.path());
  for (const char& c : kGet) {
    client.send({&c, 1});
  }
  EXPECT_TRUE(client.response().ends_with("GET /page q "));
}

TEST(HttpServer, ClosesWhenAskedTo) {
  TestServer server(may_read, echo);
  for (const char* request :
       {"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"}) {
    TestClient client(server.path());
    client.send(request);
    const std::string response = client.response();
    EXPECT_TRUE(says(response, "HTTP/1.1 200 OK\r\n"));
    EXPECT_TRUE(says(response, "Connection: close\r\n"));
    EXPECT_TRUE(client.ended());
  }
}

TEST(HttpServer, ClientThatEndsItsSideStillGetsTheAnswer) {
  TestServer server(may_read, echo);
  TestClient client(server.path());
  client.send(kGet);
  ::shutdown(client.fd(), SHUT_WR);
  EXPECT_TRUE(client.response().ends_with("GET /page q "));
  EXPECT_TRUE(client.ended());
}

TEST(HttpServer, OtherMethodsAreRefusedWithAllow) {
  TestServer server([](int) { return Access::kPages; }, echo);
  TestClient client(server.path());
  client.send("POST /reload HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n");
  const std::string response = client.response();
  EXPECT_TRUE(response.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"));
  EXPECT_TRUE(says(response, "Allow: GET, HEAD\r\n"));
  EXPECT_TRUE(client.ended());
}

TEST(HttpServer, ReadersWhoTryToChangeAreForbidden) {
  TestServer server(may_read, echo);
  TestClient client(server.path());
  client.send("POST /reload HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n");
  const std::string response = client.response();
  EXPECT_TRUE(response.starts_with("HTTP/1.1 403 Forbidden\r\n"));
  EXPECT_TRUE(says(response, "root"));
  EXPECT_TRUE(client.ended());
}

TEST(HttpServer, PostForThoseWhoMayChange) {
  TestServer server(may_change, echo);
  TestClient client(server.path());
  client.send(
      "POST /reload HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(client.response(), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("now");
  EXPECT_TRUE(client.response().ends_with("POST /reload  now"));
}

TEST(HttpServer, LargestBodyArrivesWhole) {
  TestServer server(may_change, echo);
  TestClient client(server.path());
  std::string body;
  for (int i = 0; body.size() < 65536; ++i) {
    body += std::to_string(i) + ",";
  }
  body.resize(65536);
  for (int i = 0; i < 2; ++i) {  // and the connection is good for another
    client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n\r\n");
    client.send(body);
    EXPECT_TRUE(client.response().ends_with("POST /  " + body));
  }
}

TEST(HttpServer, SecretBodiesFollowTheHead) {
  TestServer server(may_change, [](Request& request) {
    Response response;
    response.content_type = "application/octet-stream";
    response.secret_body = std::move(request.body);
    return response;
  });
  TestClient client(server.path());
  const std::string body(60'000, 'k');
  for (int i = 0; i < 2; ++i) {
    client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n" + body);
    const std::string response = client.response();
    EXPECT_TRUE(says(response, "Content-Type: application/octet-stream\r\n"));
    EXPECT_TRUE(response.ends_with("\r\n\r\n" + body));
  }
}

// ---- answers that take their time ----

Response say(std::string text) {
  Response response;
  response.body = std::move(text);
  return response;
}

TEST(HttpServer, AnswersMayComeLater) {
  HttpServer::Answer waiting;
  std::atomic<int> asked = 0;
  TestServer server(may_change, [&](Request& request, HttpServer::Answer answer) {
    if (request.path == "/later") {
      waiting = std::move(answer);
    } else {
      answer(say("at once"));
    }
    ++asked;
  });
  TestClient later(server.path());
  TestClient other(server.path());
  later.send("POST /later HTTP/1.1\r\nHost: x\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n");
  while (asked == 0) {
    std::this_thread::yield();
  }
  other.send(kGet);
  EXPECT_TRUE(other.response().ends_with("at once"));
  EXPECT_FALSE(later.readable_within(milliseconds(20)));
  server.on_loop([&] {
    waiting(say("done"));
    waiting(say("only once"));
  });
  EXPECT_TRUE(later.response().ends_with("done"));
  EXPECT_TRUE(later.response().ends_with("at once"));  // the request that was pipelined behind
}

TEST(HttpServer, AnswersThatDoNotComeAre503) {
  HttpServer::Limits limits;
  limits.request = milliseconds(100);
  HttpServer::Answer waiting;
  TestServer server(
      may_change, [&](Request&, HttpServer::Answer answer) { waiting = std::move(answer); },
      limits);
  TestClient client(server.path());
  client.send(kGet);
  EXPECT_TRUE(client.response().starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
  server.on_loop([&] { waiting(say("too late")); });
  EXPECT_TRUE(client.ended());
}

TEST(HttpServer, AnswersAfterTheClientOrTheServerHasGone) {
  std::vector<HttpServer::Answer> waiting;
  std::atomic<int> asked = 0;
  HttpServer::Limits limits;
  limits.connections = 2;
  TestServer server(
      may_change,
      [&](Request&, HttpServer::Answer answer) {
        waiting.push_back(std::move(answer));
        ++asked;
      },
      limits);
  {
    TestClient gone(server.path());
    gone.send(kGet);
    TestClient stays(server.path());
    stays.send(kGet);
    while (asked < 2) {
      std::this_thread::yield();
    }
    // Neither makes room for a third: both are owed an answer.
    TestClient third(server.path());
    EXPECT_TRUE(third.ended());
  }
  server.on_loop([&] {
    waiting[0](say("nobody hears it"));
    server.server().close();
    waiting[1](say("nor this"));
  });
}

TEST(HttpServer, StrangersAreToldWhyAndTheHandlerIsNotAsked) {
  std::atomic<int> asked = 0;
  TestServer server(may_nothing, [&](const Request& request) {
    ++asked;
    return echo(request);
  });
  TestClient client(server.path());
  client.send(kGet);
  const std::string response = client.response();
  EXPECT_TRUE(response.starts_with("HTTP/1.1 403 Forbidden\r\n"));
  EXPECT_TRUE(says(response, "allow_groups"));
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(asked, 0);
}

TEST(HttpServer, GarbageIsAnsweredOnceAndClosed) {
  TestServer server(may_read, echo);
  const std::string garbage = "\x16\x03\x01\x02\x00\x01\r\n\r\n"s;
  for (const std::string& bytes :
       {garbage, garbage + std::string(100'000, 'x'), std::string(20'000, '\0')}) {
    TestClient client(server.path());
    client.send(bytes);
    EXPECT_TRUE(client.response().starts_with("HTTP/1.1 4")) << bytes.size();
    EXPECT_TRUE(client.ended());
  }
}

// The answer to an oversized request is not destroyed by a reset: the rest is read and thrown away.
TEST(HttpServer, RefusalSurvivesUnreadInput) {
  TestServer server(may_read, echo);
  TestClient client(server.path());
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n");
  for (int i = 0; i < 12; ++i) {
    EXPECT_TRUE(client.send(std::string(16'384, 'x')));
  }
  EXPECT_TRUE(client.response().starts_with("HTTP/1.1 413"));
}

TEST(HttpServer, EndlessInputAfterARefusalIsCutOff) {
  TestServer server(may_read, echo);
  TestClient client(server.path());
  client.send("BAD\r\n\r\n");
  std::size_t sent = 0;
  while (sent < (16u << 20) && client.send(std::string(16'384, 'x'))) {
    sent += 16'384;
  }
  EXPECT_LT(sent, 4u << 20);
}

TEST(HttpServer, SilentAndSlowClientsAreClosed) {
  HttpServer::Limits limits;
  limits.idle = milliseconds(300);
  limits.request = milliseconds(100);
  TestServer server(may_read, echo, limits);
  TestClient silent(server.path());
  TestClient slow(server.path());
  slow.send("GET / HTTP/1.1\r\n");
  EXPECT_TRUE(slow.response().starts_with("HTTP/1.1 408 Request Timeout\r\n"));
  EXPECT_TRUE(silent.ended());
}

// The time counts from the first byte: trickling does not extend it.
TEST(HttpServer, TricklingDoesNotExtendTheTime) {
  HttpServer::Limits limits;
  limits.request = milliseconds(200);
  TestServer server(may_change, echo, limits);
  TestClient client(server.path());
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n");
  const auto start = std::chrono::steady_clock::now();
  bool told = false;
  while (!told && std::chrono::steady_clock::now() - start < std::chrono::minutes(1)) {
    client.send("x");
    told = client.readable_within(milliseconds(20));
  }
  EXPECT_TRUE(told);
  EXPECT_TRUE(client.response().starts_with("HTTP/1.1 408"));
}

TEST(HttpServer, LargeResponsesGoOutInParts) {
  TestServer server(may_read, [](const Request&) {
    Response response;
    response.body = std::string(8 << 20, 'm');
    return response;
  });
  TestClient client(server.path());
  client.send(kGet);
  EXPECT_EQ(client.response().size() >> 20, 8u);
}

// A client that asks a thousand times and reads nothing costs one response, not a thousand.
TEST(HttpServer, SlowReaderHoldsOneResponse) {
  std::atomic<int> asked = 0;
  HttpServer::Limits limits;
  limits.request = milliseconds(300);
  TestServer server(
      may_read,
      [&](const Request&) {
        ++asked;
        Response response;
        response.body = std::string(4 << 20, 'm');
        return response;
      },
      limits);
  TestClient client(server.path());
  for (int i = 0; i < 1000; ++i) {
    ::send(client.fd(), kGet.data(), kGet.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  // The request's time ends it, in the middle of the first response.
  EXPECT_TRUE(client.hung_up_within(std::chrono::seconds(10)));
  EXPECT_LT(client.response().size(), 4u << 20);
  EXPECT_EQ(asked, 1);
}

TEST(HttpServer, AtTheLimitTheLongestIdleMakesRoom) {
  HttpServer::Limits limits;
  limits.connections = 3;
  TestServer server(may_read, echo, limits);
  const auto ask = [](TestClient& client) {
    client.send(kGet);
    return client.response().ends_with("GET /page q ");
  };
  TestClient first(server.path());
  TestClient second(server.path());
  TestClient third(server.path());
  EXPECT_TRUE(ask(first) && ask(second) && ask(third));
  std::this_thread::sleep_for(milliseconds(5));  // the loop's clock counts milliseconds
  EXPECT_TRUE(ask(first));
  TestClient fourth(server.path());
  EXPECT_TRUE(ask(fourth));
  EXPECT_TRUE(second.ended());
  EXPECT_TRUE(ask(first) && ask(third));
}

TEST(HttpServer, StrangersCannotLockOthersOut) {
  HttpServer::Limits limits;
  limits.connections = 4;
  std::atomic<Access> access = Access::kChange;
  TestServer server([&](int) { return access.load(); }, echo, limits);
  TestClient root(server.path());
  root.send(kGet);
  EXPECT_TRUE(root.response().ends_with("GET /page q "));
  access = Access::kNone;
  std::vector<std::unique_ptr<TestClient>> strangers;
  for (int i = 0; i < 50; ++i) {
    strangers.push_back(std::make_unique<TestClient>(server.path()));
  }
  strangers.back()->send(kGet);
  EXPECT_TRUE(strangers.back()->response().starts_with("HTTP/1.1 403"));
  access = Access::kChange;
  TestClient late(server.path());
  late.send(kGet);
  EXPECT_TRUE(late.response().ends_with("GET /page q "));
  root.send(kGet);
  EXPECT_TRUE(root.response().ends_with("GET /page q "));
}

TEST(HttpServer, HandlerMayCloseTheServer) {
  HttpServer* to_close = nullptr;
  TestServer server(may_change, [&](const Request& request) {
    to_close->close();
    return echo(request);
  });
  to_close = &server.server();
  TestClient client(server.path());
  client.send(kGet);
  EXPECT_TRUE(client.ended());
}

TEST(HttpServer, CloseEndsConnectionsAndListening) {
  TestServer server(may_read, echo);
  TestClient client(server.path());
  client.send(kGet);
  EXPECT_TRUE(client.response().ends_with("GET /page q "));
  server.on_loop([&] {
    server.server().close();
    server.server().close();
  });
  EXPECT_TRUE(client.ended());
  EXPECT_FALSE(TestClient(server.path()).connected());
}

TEST(HttpServer, ResetsInEveryState) {
  TestServer server(may_read, [](const Request&) {
    Response response;
    response.body = std::string(4 << 20, 'm');
    return response;
  });
  for (int i = 0; i < 50; ++i) {
    TestClient partial(server.path());
    partial.send(kGet.substr(0, 10));
    TestClient whole(server.path());
    whole.send(kGet);
    TestClient refused(server.path());
    refused.send("BAD\r\n\r\nmore");
  }
  TestClient client(server.path());
  client.send(kGet);
  EXPECT_TRUE(client.response().starts_with("HTTP/1.1 200"));
}

TEST(HttpServer, CurlOverTheUnixSocket) {
  TestServer server(may_read, echo);
  const std::string command =
      "curl -sS -m 10 --unix-socket " + server.path() + " http://usher/page?x 2>&1";
  FILE* pipe = ::popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string output;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) {
    output += static_cast<char>(c);
  }
  EXPECT_EQ(::pclose(pipe), 0);
  EXPECT_EQ(output, "GET /page x ");
}

}  // namespace
}  // namespace usher::admin
