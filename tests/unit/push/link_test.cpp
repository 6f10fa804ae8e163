// Whom each side of the TLS channel lets in, with two Links joined by a socket pair: any host's
// name can be tried.

#include "proxy/push/link.h"

#include <gtest/gtest.h>
#include <openssl/err.h>

#include <array>
#include <string>

#include "proxy/base/bytes.h"
#include "proxy/push/channel_tls.h"
#include "tests/unit/push/support/channel_test.h"

namespace usher::push {
namespace {

using namespace test;

// What became of both sides.
struct Outcome {
  std::string client = "in";
  std::string server = "in";
};

class LinkTest : public uv::LoopTest {
 protected:
  struct End {
    explicit End(uv::Loop& loop, UniqueFd fd) {
      EXPECT_TRUE(stream.adopt<&End::on_ready>(loop, std::move(fd), *this));
    }
    void on_ready(uv::Ready) {}
    uv::Stream stream;
    Link link{stream};
    bool done = false;
  };

  struct Pair {
    explicit Pair(uv::Loop& loop, uv::SocketPair sockets = {})
        : client(loop, std::move(sockets.ours)), server(loop, std::move(sockets.theirs)) {}
    End client;
    End server;
  };

  // One byte each way: only then has the client seen that the server let it in.
  static Outcome meet(Pair& pair) {
    Outcome outcome;
    for (int i = 0; i < 20; ++i) {
      advance(pair.client, outcome.client);
      advance(pair.server, outcome.server);
    }
    EXPECT_EQ(ERR_peek_error(), 0U) << "left in the error queue";
    return outcome;
  }

  static void advance(End& end, std::string& outcome) {
    if (outcome != "in") {
      return;
    }
    std::array<std::byte, 16> bytes{};
    const LinkResult result = end.done ? end.link.read(bytes) : end.link.handshake();
    if (result.status == LinkStatus::kFailed) {
      outcome = end.link.failure();
      EXPECT_FALSE(end.link.peer_left());
    } else if (!end.done && result.status == LinkStatus::kProgress) {
      end.done = true;
      EXPECT_EQ(end.link.write(bytes_of("x")).count, 1U);
    }
  }

  Outcome meet(SSL_CTX* client, SSL_CTX* server, const std::string& host) {
    Pair pair(loop_);
    EXPECT_TRUE(pair.client.link.secure(client, Link::Role::kClient, host));
    EXPECT_TRUE(pair.server.link.secure(server, Link::Role::kServer, ""));
    return meet(pair);
  }

  // keyd with that certificate, asked for as `host`.
  Outcome ask_for(const std::string& host, const CertificateRequest& keyd) {
    return meet(proxy_->client(), tls_of(ca_, ca_.issue(keyd))->server(), host);
  }

  static SslCtxPtr plain_client(int version) {
    SslCtxPtr context(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_min_proto_version(context.get(), version);
    SSL_CTX_set_max_proto_version(context.get(), version);
    return context;
  }

  TestCa ca_ = TestCa::root("Fleet CA");
  std::shared_ptr<const ChannelTls> proxy_ =
      tls_of(ca_, ca_.issue({.dns_names = {"proxy-1.example"}}));
  std::shared_ptr<const ChannelTls> keyd_ =
      tls_of(ca_, ca_.issue({.dns_names = {"keyd-1.example"}}));
};

TEST_F(LinkTest, BothLetEachOtherIn) {
  const Outcome outcome = meet(proxy_->client(), keyd_->server(), "keyd-1.example");
  EXPECT_EQ(outcome.client, "in");
  EXPECT_EQ(outcome.server, "in");
}

TEST_F(LinkTest, TheNamesAreThoseOfTheOtherSide) {
  const auto keyd = tls_of(
      ca_, ca_.issue({.common_name = "common",
                      .dns_names = {"Keyd-1.Example", "*.keyd.example", "keyd", "a b", "k\xc3\xa9"},
                      .ip_addresses = {"192.0.2.7"}}));
  Pair pair(loop_);
  ASSERT_TRUE(pair.client.link.secure(proxy_->client(), Link::Role::kClient, "keyd-1.example"));
  ASSERT_TRUE(pair.server.link.secure(keyd->server(), Link::Role::kServer, ""));
  const Outcome outcome = meet(pair);
  ASSERT_EQ(outcome.client + outcome.server, "inin");
  EXPECT_EQ(dns_names(pair.server.link.ssl()), std::vector<std::string>{"proxy-1.example"});
  // Without CN, address, wildcard and what is no name.
  EXPECT_EQ(dns_names(pair.client.link.ssl()),
            (std::vector<std::string>{"keyd-1.example", "keyd"}));
}

TEST_F(LinkTest, KeydMustHaveTheNameThatWasAskedFor) {
  struct Case {
    const char* host;
    CertificateRequest keyd;
    bool in;
  };
  for (const Case& c : {
           Case{"keyd-1.example", {.dns_names = {"keyd-1.example"}}, true},
           Case{"KEYD-1.example", {.dns_names = {"keyd-1.Example"}}, true},
           Case{"keyd-1.example", {.dns_names = {"other.example", "keyd-1.example"}}, true},
           Case{"keyd-1.fleet.example", {.dns_names = {"*.fleet.example"}}, true},
           Case{"keyd-1.example", {.dns_names = {"keyd-2.example"}}, false},
           Case{"keyd-1.fleet.example", {.dns_names = {"*.example"}}, false},
           Case{"keyd-1.fleet.example", {.dns_names = {"keyd-*.fleet.example"}}, false},
           Case{"keyd-1.fleet.example", {.dns_names = {"*-1.fleet.example"}}, false},
           Case{"keyd-1.example", {.common_name = "keyd-1.example"}, false},
           Case{"keyd-1.example",
                {.common_name = "keyd-1.example", .ip_addresses = {"192.0.2.7"}},
                false},
           Case{"192.0.2.7", {.ip_addresses = {"192.0.2.7"}}, true},
           Case{"::1", {.ip_addresses = {"::1"}}, true},
           Case{"192.0.2.7", {.ip_addresses = {"192.0.2.8"}}, false},
           Case{"192.0.2.7", {.dns_names = {"192.0.2.7"}}, false},
           Case{"192.0.2.7", {.common_name = "192.0.2.7"}, false},
       }) {
    const Outcome outcome = ask_for(c.host, c.keyd);
    if (c.in) {
      EXPECT_EQ(outcome.client, "in") << c.host;
      EXPECT_EQ(outcome.server, "in") << c.host;
    } else {
      EXPECT_EQ(outcome.client.rfind(
                    std::string("TLS: the peer's certificate is not for ") + c.host + " (", 0),
                0U)
          << c.host << " " << outcome.client;
      EXPECT_NE(outcome.server, "in") << c.host;
    }
  }
}

TEST_F(LinkTest, SniIsSentForNamesOnly) {
  for (const std::string host : {"keyd-1.example", "192.0.2.7"}) {
    const auto keyd =
        tls_of(ca_, ca_.issue({.dns_names = {"keyd-1.example"}, .ip_addresses = {"192.0.2.7"}}));
    Pair pair(loop_);
    ASSERT_TRUE(pair.client.link.secure(proxy_->client(), Link::Role::kClient, host));
    ASSERT_TRUE(pair.server.link.secure(keyd->server(), Link::Role::kServer, ""));
    ASSERT_EQ(meet(pair).client, "in");
    const char* name = SSL_get_servername(pair.client.link.ssl(), TLSEXT_NAMETYPE_host_name);
    EXPECT_EQ(name == nullptr ? "" : std::string(name), host == "192.0.2.7" ? "" : host);
  }
}

TEST_F(LinkTest, CertificatesOfOthersAreRefusedOnBothSides) {
  TestCa other = TestCa::root("Another CA");
  const auto stranger = tls_of(other, other.issue({.dns_names = {"proxy-1.example"}}));
  // A proxy that trusts our keyd but shows a certificate of another CA.
  const auto half =
      *try_load(ca_.certificate_pem(), other.issue({.dns_names = {"proxy-1.example"}}));
  Outcome outcome = meet(half->client(), keyd_->server(), "keyd-1.example");
  EXPECT_EQ(outcome.server,
            "TLS: the peer's certificate was refused (unable to get local issuer certificate)");
  EXPECT_EQ(outcome.client, "TLS: tlsv1 alert unknown ca");

  outcome = meet(stranger->client(), keyd_->server(), "keyd-1.example");
  EXPECT_EQ(outcome.client,
            "TLS: the peer's certificate was refused (unable to get local issuer certificate)");
  EXPECT_EQ(outcome.server, "TLS: tlsv1 alert unknown ca");
}

TEST_F(LinkTest, AProxyWithoutACertificateIsRefused) {
  const SslCtxPtr client = plain_client(TLS1_3_VERSION);
  const Outcome outcome = meet(client.get(), keyd_->server(), "keyd-1.example");
  EXPECT_EQ(outcome.server, "TLS: peer did not return a certificate");
  EXPECT_EQ(outcome.client, "TLS: tlsv13 alert certificate required");
}

TEST_F(LinkTest, NothingBelowTls13) {
  const SslCtxPtr client = plain_client(TLS1_2_VERSION);
  Outcome outcome = meet(client.get(), keyd_->server(), "keyd-1.example");
  EXPECT_EQ(outcome.server, "TLS: unsupported protocol");
  EXPECT_EQ(outcome.client, "TLS: tlsv1 alert protocol version");

  const SslCtxPtr server(SSL_CTX_new(TLS_server_method()));
  SSL_CTX_set_max_proto_version(server.get(), TLS1_2_VERSION);
  outcome = meet(proxy_->client(), server.get(), "keyd-1.example");
  EXPECT_NE(outcome.client, "in");
  EXPECT_NE(outcome.server, "in");
}

TEST_F(LinkTest, PurposesAreHeld) {
  struct Case {
    const char* usage;
    bool as_proxy;
    bool as_keyd;
  };
  for (const Case& c :
       {Case{"clientAuth", true, false}, Case{"serverAuth", false, true},
        Case{"clientAuth,serverAuth", true, true}, Case{"codeSigning", false, false}}) {
    const auto own =
        tls_of(ca_, ca_.issue({.dns_names = {"host.example"}, .extended_key_usage = c.usage}));
    const Outcome proxy = meet(own->client(), keyd_->server(), "keyd-1.example");
    EXPECT_EQ(proxy.server, c.as_proxy ? "in"
                                       : "TLS: the peer's certificate was refused (unsuitable "
                                         "certificate purpose)")
        << c.usage;
    const Outcome keyd = meet(proxy_->client(), own->server(), "host.example");
    EXPECT_EQ(keyd.client, c.as_keyd ? "in"
                                     : "TLS: the peer's certificate was refused (unsuitable "
                                       "certificate purpose)")
        << c.usage;
  }
}

TEST_F(LinkTest, TimesAreHeld) {
  using std::chrono::hours;
  const CertificateRequest expired{.dns_names = {"host.example"},
                                   .not_after = unix_now() - hours(1)};
  const CertificateRequest early{.dns_names = {"host.example"},
                                 .not_before = unix_now() + hours(1)};
  EXPECT_EQ(ask_for("host.example", expired).client,
            "TLS: the peer's certificate was refused (certificate has expired)");
  EXPECT_EQ(ask_for("host.example", early).client,
            "TLS: the peer's certificate was refused (certificate is not yet valid)");
  const auto proxy = tls_of(ca_, ca_.issue(expired));
  EXPECT_EQ(meet(proxy->client(), keyd_->server(), "keyd-1.example").server,
            "TLS: the peer's certificate was refused (certificate has expired)");
}

TEST_F(LinkTest, AChainMayHaveAnIntermediate) {
  TestCa between = ca_.intermediate("Between");
  IssuedCertificate issued = between.issue({.dns_names = {"proxy-2.example"}});
  const auto alone = *try_load(ca_.certificate_pem(), issued);
  EXPECT_NE(meet(alone->client(), keyd_->server(), "keyd-1.example").server, "in");
  issued.certificate_pem += between.certificate_pem();
  const auto chain = *try_load(ca_.certificate_pem(), issued);
  EXPECT_EQ(meet(chain->client(), keyd_->server(), "keyd-1.example").server, "in");
}

// No ticket is sent, and a session from before is not taken up again.
TEST_F(LinkTest, NothingIsResumed) {
  Pair first(loop_);
  ASSERT_TRUE(first.client.link.secure(proxy_->client(), Link::Role::kClient, "keyd-1.example"));
  ASSERT_TRUE(first.server.link.secure(keyd_->server(), Link::Role::kServer, ""));
  ASSERT_EQ(meet(first).client, "in");
  const SslSessionPtr session(SSL_get1_session(first.client.link.ssl()));
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(SSL_SESSION_has_ticket(session.get()), 0);
  EXPECT_EQ(SSL_SESSION_is_resumable(session.get()), 0);

  Pair second(loop_);
  ASSERT_TRUE(second.client.link.secure(proxy_->client(), Link::Role::kClient, "keyd-1.example"));
  ASSERT_TRUE(second.server.link.secure(keyd_->server(), Link::Role::kServer, ""));
  SSL_set_session(second.client.link.ssl(), session.get());
  EXPECT_EQ(meet(second).client, "in");
  EXPECT_EQ(SSL_session_reused(second.server.link.ssl()), 0);
}

TEST_F(LinkTest, ACutOffStreamIsToldFromAnEnd) {
  for (const bool notify : {true, false}) {
    Pair pair(loop_);
    ASSERT_TRUE(pair.client.link.secure(proxy_->client(), Link::Role::kClient, "keyd-1.example"));
    ASSERT_TRUE(pair.server.link.secure(keyd_->server(), Link::Role::kServer, ""));
    ASSERT_EQ(meet(pair).server, "in");
    if (notify) {
      pair.server.link.end();
    } else {
      pair.server.stream.shutdown_write();
    }
    std::array<std::byte, 16> bytes{};
    const LinkResult result = pair.client.link.read(bytes);
    EXPECT_EQ(result.status, notify ? LinkStatus::kEnded : LinkStatus::kFailed);
    EXPECT_EQ(pair.client.link.peer_left(), !notify);
    EXPECT_EQ(pair.client.link.failure(), notify ? "" : "the peer closed without a close_notify");
  }
}

// A flood of KeyUpdates (RFC 8446 §4.6.3) gives the loop its turns: each read ends after one.
TEST_F(LinkTest, RecordsWithoutDataEndARead) {
  Pair pair(loop_);
  ASSERT_TRUE(pair.client.link.secure(proxy_->client(), Link::Role::kClient, "keyd-1.example"));
  ASSERT_TRUE(pair.server.link.secure(keyd_->server(), Link::Role::kServer, ""));
  ASSERT_EQ(meet(pair).server, "in");
  constexpr int kUpdates = 20;
  for (int i = 0; i < kUpdates; ++i) {
    ASSERT_EQ(SSL_key_update(pair.client.link.ssl(), SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    ASSERT_EQ(SSL_do_handshake(pair.client.link.ssl()), 1);
  }
  ASSERT_EQ(pair.client.link.write(bytes_of("data")).count, 4U);
  std::array<std::byte, 16> bytes{};
  int reads = 1;
  while (pair.server.link.read(bytes).status == LinkStatus::kBlocked && reads < 100) {
    ++reads;
  }
  EXPECT_EQ(reads, kUpdates + 1);
  EXPECT_EQ(text_of(ByteView(bytes).first(4)), "data");
}

TEST_F(LinkTest, WhatIsNotTlsIsSaid) {
  for (const std::string text : {"GET / HTTP/1.1\r\n\r\n", "\x01\x02\x03\x04\x05\x06\x07"}) {
    uv::SocketPair sockets;
    End server(loop_, std::move(sockets.ours));
    RawPeer peer(std::move(sockets.theirs));
    ASSERT_TRUE(server.link.secure(keyd_->server(), Link::Role::kServer, ""));
    ASSERT_TRUE(peer.write(text));
    EXPECT_EQ(server.link.handshake().status, LinkStatus::kFailed);
    EXPECT_EQ(server.link.failure().rfind("TLS: ", 0), 0U) << server.link.failure();
    EXPECT_FALSE(server.link.peer_left());
  }
}

}  // namespace
}  // namespace usher::push
