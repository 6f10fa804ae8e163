// Links over TLS against an OpenSSL server: verification, resumption, ends, tickets at odd times.
#include <gtest/gtest.h>

#include "tests/unit/backend/support/group_bench.h"
#include "tests/unit/backend/support/test_server.h"

namespace usher::backend::test {
namespace {

using namespace std::chrono_literals;
using usher::test::IssuedCertificate;
using usher::test::TestCa;

class LinkTlsTest : public GroupTest {
 protected:
  ~LinkTlsTest() override { group_.reset(); }

  void use_tls(const std::string& ca_pem, const std::string& name, bool verify = true) {
    auto settings = std::make_shared<tls::BackendTlsSettings>();
    settings->ca_pem = ca_pem;
    settings->verify = verify;
    settings->names = {name};
    auto made = tls::BackendTls::create(nullptr, settings);
    ASSERT_TRUE(made) << made.error().message;
    tls_ = *made;
  }
  // The failure's detail, "" where the link opens.
  std::string refused_with(const SocketAddress& address) {
    make({{address}});
    TestUser user(loop_);
    if (open(user)) {
      return "";
    }
    EXPECT_EQ(user.failure, LinkFailure::kTls);
    EXPECT_EQ(failures(BackendMetrics::kTls), 1U);
    EXPECT_EQ(connections(), 0U);
    return user.detail;
  }

  TestCa ca_ = TestCa::root("Backend CA");
  const IssuedCertificate certificate_ = ca_.issue(
      {.common_name = "ignored", .dns_names = {"app.internal"}, .ip_addresses = {"127.0.0.1"}});
};

void echo(Peer& peer) {
  for (std::string head = peer.read_head(); !head.empty(); head = peer.read_head()) {
    peer.write("got " + head);
  }
}

TEST_F(LinkTlsTest, TellsTheNameAndTheProtocolAndVerifies) {
  std::string sni;
  std::string alpn;
  TestServer server(
      [&](Peer& peer) {
        sni = peer.sni();
        alpn = peer.alpn();
        echo(peer);
      },
      &certificate_);
  use_tls(ca_.certificate_pem(), "app.internal");
  make({{server.address()}});
  TestUser user(loop_);
  ASSERT_TRUE(open(user)) << user.detail;
  EXPECT_EQ(exchange(user, "a\r\n\r\n"), "got a\r\n\r\n");
  EXPECT_EQ(sni, "app.internal");
  EXPECT_EQ(alpn, "http/1.1");
}

TEST_F(LinkTlsTest, AnAddressIsVerifiedAndHasNoSni) {
  std::string sni = "?";
  TestServer server(
      [&](Peer& peer) {
        sni = peer.sni();
        echo(peer);
      },
      &certificate_);
  use_tls(ca_.certificate_pem(), "127.0.0.1");
  make({{server.address()}});
  TestUser user(loop_);
  ASSERT_TRUE(open(user)) << user.detail;
  EXPECT_EQ(exchange(user, "a\r\n\r\n"), "got a\r\n\r\n");
  EXPECT_EQ(sni, "");
  use_tls(ca_.certificate_pem(), "127.0.0.2");
  user.link.reset();
  EXPECT_EQ(refused_with(server.address()), "IP address mismatch");
}

TEST_F(LinkTlsTest, AnotherAuthorityIsRefused) {
  TestServer server(echo, &certificate_);
  use_tls(TestCa::root("Other CA").certificate_pem(), "app.internal");
  EXPECT_EQ(refused_with(server.address()), "unable to get local issuer certificate");
}

TEST_F(LinkTlsTest, TheSystemsAuthoritiesDoNotKnowOurs) {
  TestServer server(echo, &certificate_);
  use_tls("", "app.internal");
  EXPECT_EQ(refused_with(server.address()), "unable to get local issuer certificate");
}

TEST_F(LinkTlsTest, AnotherNameIsRefusedTheCommonNameIsNone) {
  TestServer server(echo, &certificate_);
  use_tls(ca_.certificate_pem(), "ignored");
  EXPECT_EQ(refused_with(server.address()), "hostname mismatch");
}

TEST_F(LinkTlsTest, AnExpiredCertificateIsRefused) {
  const IssuedCertificate old = ca_.issue({.dns_names = {"app.internal"},
                                           .not_before = unix_now() - 48h,
                                           .not_after = unix_now() - 24h});
  TestServer server(echo, &old);
  use_tls(ca_.certificate_pem(), "app.internal");
  EXPECT_EQ(refused_with(server.address()), "certificate has expired");
}

TEST_F(LinkTlsTest, NothingIsRefusedWithoutVerification) {
  TestServer server(echo, &certificate_);
  use_tls("", "other.internal", false);
  EXPECT_EQ(refused_with(server.address()), "");
}

TEST_F(LinkTlsTest, TheServersOwnCertificateWillDoAsAnchor) {
  TestServer server(echo, &certificate_);
  use_tls(certificate_.certificate_pem, "app.internal");
  EXPECT_EQ(refused_with(server.address()), "");
}

TEST_F(LinkTlsTest, ReconnectingResumesWithBothVersions) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    std::atomic<int> resumed = 0;
    TestServer server(
        [&](Peer& peer) {
          resumed += peer.resumed() ? 1 : 0;
          echo(peer);
        },
        &certificate_, version);
    use_tls(ca_.certificate_pem(), "app.internal");
    make({{server.address()}});
    for (int i = 0; i < 3; ++i) {
      TestUser user(loop_);
      ASSERT_TRUE(open(user));
      EXPECT_EQ(exchange(user, "a\r\n\r\n"), "got a\r\n\r\n");
    }
    EXPECT_EQ(resumed, 2) << version;
    group_.reset();
  }
}

TEST_F(LinkTlsTest, TicketsDoNotEndAnIdleLink) {
  std::atomic<bool> answered = false;
  TestServer server(
      [&](Peer& peer) {
        echo(peer);
        answered = true;
      },
      &certificate_, TLS1_3_VERSION);
  use_tls(ca_.certificate_pem(), "app.internal");
  make({{server.address()}});
  TestUser user(loop_);
  ASSERT_TRUE(open(user));
  group_->give_back(std::move(user.link));  // the two tickets are still on their way
  std::this_thread::sleep_for(20ms);
  turn();
  ASSERT_EQ(group_->idle_links(0), 1U);
  ASSERT_TRUE(open(user));
  EXPECT_TRUE(user.link->reused());
  EXPECT_EQ(exchange(user, "a\r\n\r\n"), "got a\r\n\r\n");
}

TEST_F(LinkTlsTest, MuchGoesBothWaysWhole) {
  const std::string upload(3'000'000, 'u');
  const std::string download(3'000'000, 'd');
  TestServer server(
      [&](Peer& peer) {
        EXPECT_EQ(peer.read(upload.size()), upload);
        peer.write(download);
        peer.close_notify();
        (void)peer.read_to_end();
      },
      &certificate_);
  use_tls(ca_.certificate_pem(), "app.internal");
  make({{server.address()}});
  TestUser user(loop_);
  ASSERT_TRUE(open(user));
  for (std::size_t sent = 0; sent < upload.size();) {
    while (user.link->room() == 0) {
      run();
    }
    const std::size_t count = std::min(user.link->room(), upload.size() - sent);
    (void)user.link->send(bytes_of(upload).subspan(sent, count));
    sent += count;
  }
  while (user.last.status != uv::IoStatus::kEnded) {
    ASSERT_NE(user.last.status, uv::IoStatus::kFailed);
    run();
  }
  EXPECT_EQ(user.received, download);
}

// In one segment, and no FIN follows.
TEST_F(LinkTlsTest, AnEndThatComesWithBytesIsTold) {
  TestServer server(
      [](Peer& peer) {
        (void)peer.read_head();
        peer.write("last words");
        peer.close_notify();
        (void)peer.read_to_end();
      },
      &certificate_);
  use_tls(ca_.certificate_pem(), "app.internal");
  make({{server.address()}});
  TestUser user(loop_);
  ASSERT_TRUE(open(user));
  user.link->read_on(false);
  (void)user.link->send(bytes_of("a\r\n\r\n"));
  std::this_thread::sleep_for(50ms);
  user.link->read_on(true);
  run();
  EXPECT_EQ(user.received, "last words");
  while (user.last.status != uv::IoStatus::kEnded) {
    run();
  }
  user.link.reset();
}

TEST_F(LinkTlsTest, AFinWithoutCloseNotifyIsNoEnd) {
  TestServer server(
      [](Peer& peer) {
        (void)peer.read_head();
        peer.write("cut o");
        peer.fin();
        (void)peer.read_to_end();
      },
      &certificate_);
  use_tls(ca_.certificate_pem(), "app.internal");
  make({{server.address()}});
  TestUser user(loop_);
  ASSERT_TRUE(open(user));
  EXPECT_EQ(exchange(user, "a\r\n\r\n"), "cut o");
  run();
  EXPECT_EQ(user.last.status, uv::IoStatus::kFailed);
}

TEST_F(LinkTlsTest, OurHalfCloseIsACleanEndForTheServer) {
  std::atomic<bool> clean = false;
  TestServer server(
      [&](Peer& peer) {
        EXPECT_EQ(peer.read_to_end(), "tunnel");
        clean = peer.ended_cleanly();
        peer.write("after");
        peer.close_notify();
      },
      &certificate_);
  use_tls(ca_.certificate_pem(), "app.internal");
  make({{server.address()}});
  TestUser user(loop_);
  ASSERT_TRUE(open(user));
  (void)user.link->send(bytes_of("tunnel"));
  user.link->shutdown_write();
  while (user.last.status != uv::IoStatus::kEnded) {
    run();
  }
  EXPECT_EQ(user.received, "after");
  EXPECT_TRUE(clean);
}

TEST_F(LinkTlsTest, AServerThatSpeaksNoTlsFails) {
  TestServer server([](Peer& peer) {
    peer.write("HTTP/1.1 400 Bad Request\r\n\r\n");
    (void)peer.read_to_end();
  });
  use_tls(ca_.certificate_pem(), "app.internal");
  EXPECT_EQ(refused_with(server.address()), "wrong version number");
}

TEST_F(LinkTlsTest, ASilentHandshakeTimesOut) {
  TestServer server([](Peer& peer) { (void)peer.read_to_end(); });
  settings_.connect_timeout = 50ms;
  use_tls(ca_.certificate_pem(), "app.internal");
  make({{server.address()}});
  TestUser user(loop_);
  EXPECT_FALSE(open(user));
  EXPECT_EQ(user.failure, LinkFailure::kTimeout);
  EXPECT_EQ(failures(BackendMetrics::kTimeout), 1U);
}

TEST(BackendCa, FilesAreCheckedAndNamed) {
  const usher::test::TemporaryDirectory directory;
  const std::string good = TestCa::root("A CA").certificate_pem();
  EXPECT_EQ(tls::load_backend_ca(directory.write("good.pem", good)).value(), good);
  const std::string empty = directory.write("empty.pem", "nothing");
  EXPECT_EQ(tls::load_backend_ca(empty).error().message, empty + ": holds no certificate");
  EXPECT_FALSE(tls::load_backend_ca(directory.path() + "/none.pem"));
}

}  // namespace
}  // namespace usher::backend::test
