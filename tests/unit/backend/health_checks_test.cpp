// Active checks: what is good, rise and fall, and what the groups are told.
#include "proxy/backend/health_checks.h"

#include <gtest/gtest.h>

#include <atomic>

#include "tests/unit/backend/support/group_bench.h"
#include "tests/unit/backend/support/test_server.h"

namespace usher::backend::test {
namespace {

using namespace std::chrono_literals;

class HealthTest : public GroupTest {
 protected:
  HealthTest() {
    settings_.name = "web";
    settings_.health = {config::HealthType::kHttp, "/healthz", 10ms, 200ms, 2, 3};
  }

  HealthChecks& check(Endpoints endpoints) {
    settings_.servers.resize(endpoints.size());
    for (config::BackendServer& server : settings_.servers) {
      server = {"app.internal", 8080, 1};
    }
    endpoints_ = std::make_shared<Snapshot<Endpoints>>(
        std::make_shared<const Endpoints>(std::move(endpoints)));
    checks_ = std::make_unique<HealthChecks>(loop_, settings_, endpoints_, tls_);
    checks_->start();
    return *checks_;
  }
  bool up(std::size_t server = 0) const { return checks_->health()->latest()->at(server).up; }

  std::unique_ptr<HealthChecks> checks_;
};

TEST_F(HealthTest, AsksForThePathAndTakesAnyGoodStatus) {
  for (const std::string status : {"200 OK", "204 No Content", "302 Found", "399\r\n"}) {
    std::string head;
    std::atomic<int> asked = 0;
    TestServer server([&](Peer& peer) {
      const std::string own = peer.read_head();
      if (++asked == 1) {
        head = own;
      }
      peer.write("HTTP/1.1 " + status);  // nothing more need come
      (void)peer.read_to_end();
    });
    check({{server.address()}});
    EXPECT_TRUE(eventually([&] { return asked >= 5; }));
    EXPECT_TRUE(up()) << status;
    checks_.reset();
    EXPECT_EQ(head,
              "GET /healthz HTTP/1.1\r\nHost: app.internal:8080\r\n"
              "User-Agent: usher-health-check\r\nConnection: close\r\n\r\n");
  }
}

TEST_F(HealthTest, GoesDownAfterFallAndUpAfterRise) {
  std::atomic<bool> good = false;
  std::atomic<int> asked = 0;
  TestServer server([&](Peer& peer) {
    (void)peer.read_head();
    ++asked;
    peer.write(good ? "HTTP/1.0 200 OK\r\n\r\n" : "HTTP/1.1 503 Service Unavailable\r\n\r\n");
  });
  check({{server.address()}});
  EXPECT_TRUE(up()) << "until it has failed";
  EXPECT_TRUE(eventually([&] { return !up(); }));
  EXPECT_GE(asked, 3);
  good = true;
  const int before = asked;
  EXPECT_TRUE(eventually([&] { return up(); }));
  EXPECT_GE(asked - before, 2);
}

TEST_F(HealthTest, OneBadCheckAmongGoodOnesIsForgiven) {
  std::atomic<int> asked = 0;
  TestServer server([&](Peer& peer) {
    (void)peer.read_head();
    peer.write(++asked % 3 == 0 ? "HTTP/1.1 200 OK\r\n" : "HTTP/1.1 500 Oops\r\n");
  });
  check({{server.address()}});
  EXPECT_TRUE(eventually([&] { return asked >= 12; }));
  EXPECT_TRUE(up());
}

TEST_F(HealthTest, WhatIsNoGoodAnswerIsBad) {
  for (const std::string answer :
       {"HTTP/1.1 404 Not Found\r\n", "HTTP/1.1 199 Odd\r\n", "HTTP/2.0 200 OK\r\n",
        "HTTP/1.1 2000 OK\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 20", ""}) {
    TestServer server([&](Peer& peer) {
      (void)peer.read_head();
      peer.write(answer);
    });
    check({{server.address()}});
    EXPECT_TRUE(eventually([&] { return !up(); })) << answer;
    checks_.reset();
  }
}

TEST_F(HealthTest, SilenceIsBad) {
  settings_.health.timeout = 20ms;
  TestServer server([](Peer& peer) { (void)peer.read_to_end(); });
  check({{server.address()}});
  EXPECT_TRUE(eventually([&] { return !up(); }));
  checks_.reset();
}

TEST_F(HealthTest, TcpChecksConnectOnly) {
  settings_.health.type = config::HealthType::kTcp;
  TestServer server([](Peer& peer) { EXPECT_EQ(peer.read_to_end(), ""); });
  check({{server.address()}, {refusing_address()}});
  EXPECT_TRUE(eventually([&] { return !up(1); }));
  EXPECT_TRUE(eventually([&] { return server.accepted() >= 3; }));
  EXPECT_TRUE(up(0));
  checks_.reset();
}

TEST_F(HealthTest, OneGoodAddressIsEnough) {
  std::atomic<int> asked = 0;
  TestServer server([&](Peer& peer) {
    (void)peer.read_head();
    peer.write("HTTP/1.1 200 OK\r\n");
    ++asked;
  });
  check({{refusing_address(), server.address()}});
  EXPECT_TRUE(eventually([&] { return asked >= 5; }));
  EXPECT_TRUE(up());
  endpoints_->publish(std::make_shared<const Endpoints>(Endpoints{{refusing_address()}}));
  EXPECT_TRUE(eventually([&] { return !up(); })) << "the addresses of now";
}

TEST_F(HealthTest, AServerWithoutAddressesIsNotJudged) {
  check({{}, {refusing_address()}});
  EXPECT_TRUE(eventually([&] { return !up(1); }));
  EXPECT_TRUE(up(0));
}

TEST_F(HealthTest, ServersThatExpectAProxyHeaderGetOne) {
  const std::string v2("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16);
  for (const auto& [version, header] :
       {std::pair(config::ProxyProtocol::kV1, std::string("PROXY UNKNOWN\r\n")),
        std::pair(config::ProxyProtocol::kV2, v2)}) {
    settings_.proxy_protocol = version;
    std::atomic<int> right = 0;
    const std::string& expected = header;
    TestServer server([&](Peer& peer) {
      right += peer.read(expected.size()) == expected && peer.read(4) == "GET " ? 1 : 0;
      (void)peer.read_head();
      peer.write("HTTP/1.1 200 OK\r\n");
    });
    check({{server.address()}});
    EXPECT_TRUE(eventually([&] { return right >= 2; }));
    checks_.reset();
  }
}

TEST_F(HealthTest, ChecksSpeakTlsAndVerify) {
  usher::test::TestCa ca = usher::test::TestCa::root("Backend CA");
  const auto certificate = ca.issue({.dns_names = {"app.internal"}});
  for (const bool http : {true, false}) {
    settings_.health.type = http ? config::HealthType::kHttp : config::HealthType::kTcp;
    std::atomic<int> asked = 0;
    TestServer server(
        [&](Peer& peer) {
          ++asked;
          if (!peer.read_head().empty()) {
            peer.write("HTTP/1.1 200 OK\r\n\r\n");
          }
        },
        &certificate);
    auto tls_settings = std::make_shared<tls::BackendTlsSettings>();
    tls_settings->ca_pem = ca.certificate_pem();
    tls_settings->names = {"app.internal", "other.internal"};
    tls_ = tls::BackendTls::create(nullptr, tls_settings).value();
    check({{server.address()}, {server.address()}});
    EXPECT_TRUE(eventually([&] { return !up(1); })) << "the wrong name";
    EXPECT_TRUE(eventually([&] { return asked >= 5; }));
    EXPECT_TRUE(up(0));
    checks_.reset();
  }
}

}  // namespace
}  // namespace usher::backend::test
