// Channels over TCP on 127.0.0.1: dialing, the handshake's limits, and that the last words arrive.

#include <sys/socket.h>

#include <algorithm>
#include <string>

#include "proxy/push/link.h"
#include "proxy/push/socket_channel.h"
#include "proxy/uv/listener.h"
#include "tests/unit/push/support/channel_test.h"

namespace usher::push {
namespace {

using namespace test;

// A host that drops packets: a listening socket whose queue of connections is full.
struct FullQueue {
  FullQueue() : listening(tcp_socket()) {
    const SocketAddress any = *SocketAddress::parse("127.0.0.1:0");
    EXPECT_EQ(::bind(listening.value(), any.raw(), any.raw_size()), 0);
    EXPECT_EQ(::listen(listening.value(), 0), 0);
    address = uv::bound_address(listening.value());
    for (int i = 0; i < 4; ++i) {
      queued.push_back(tcp_socket());
      (void)::connect(queued.back().value(), address.raw(), address.raw_size());
    }
  }
  static UniqueFd tcp_socket() {
    return UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  }

  UniqueFd listening;
  SocketAddress address;
  std::vector<UniqueFd> queued;
};

class ChannelOverTlsTest : public ChannelTest {
 protected:
  std::string port() const { return std::to_string(uv::bound_address(listening_.value()).port()); }
  Endpoint endpoint(const std::string& host = "localhost") const {
    return *parse_endpoint("tls:" + host + ":" + port());
  }

  void connect(Side& proxy, const std::shared_ptr<const ChannelTls>& tls,
               const std::string& host = "localhost", const ChannelLimits& limits = {}) {
    catch_up();
    proxy.channel = Channel::connect(loop_, endpoint(host), tls, proxy.events(), limits);
  }
  void join(Side& proxy, Side& keyd, const ChannelLimits& limits = {}) {
    connect(proxy, proxy_, "localhost", limits);
    keyd.channel = accepted(listening_, keyd, keyd_, limits);
  }

  // A socket that is connected to the listening one and accepted by `keyd`.
  RawPeer join_raw_tcp(Side& keyd, const ChannelLimits& limits = {}) {
    RawPeer peer(uv::connected_client(uv::bound_address(listening_.value())));
    keyd.channel = accepted(listening_, keyd, keyd_, limits);
    return peer;
  }

  // A proxy's TLS by hand, for bytes that a channel would not send.
  struct RawTls {
    explicit RawTls(uv::Loop& loop, UniqueFd socket) {
      EXPECT_EQ(::fcntl(socket.value(), F_SETFL, O_NONBLOCK), 0);
      EXPECT_TRUE(stream.adopt<&RawTls::on_ready>(loop, std::move(socket), *this));
    }
    void on_ready(uv::Ready) {}
    uv::Stream stream;
    Link link{stream};
  };
  void shake_hands(RawTls& raw, const Side& keyd) {
    ASSERT_TRUE(raw.link.secure(proxy_->client(), Link::Role::kClient, "localhost"));
    until([&] { return raw.link.handshake().status == LinkStatus::kProgress && keyd.is_open(); });
  }

  UniqueFd listening_ = *uv::listen_tcp(*SocketAddress::parse("127.0.0.1:0"), 16);
  TestCa ca_ = TestCa::root("Fleet CA");
  std::shared_ptr<const ChannelTls> proxy_ =
      tls_of(ca_, ca_.issue({.dns_names = {"Proxy-1.example", "proxy-1"}}));
  std::shared_ptr<const ChannelTls> keyd_ =
      tls_of(ca_, ca_.issue({.dns_names = {"localhost"}, .ip_addresses = {"127.0.0.1"}}));
};

TEST_F(ChannelOverTlsTest, BothSidesLearnWhoIsThere) {
  Side proxy;
  Side keyd;
  join(proxy, keyd);
  until([&] { return proxy.is_open() && keyd.is_open(); });
  EXPECT_TRUE(proxy.opened.front().tls && keyd.opened.front().tls);
  EXPECT_EQ(keyd.opened.front().dns_names,
            (std::vector<std::string>{"proxy-1.example", "proxy-1"}));
  EXPECT_EQ(keyd.opened.front().text.rfind("proxy-1.example 127.0.0.1:", 0), 0U)
      << keyd.opened.front().text;
  EXPECT_EQ(proxy.opened.front().dns_names, std::vector<std::string>{"localhost"});
  EXPECT_EQ(proxy.opened.front().text, "localhost 127.0.0.1:" + port());
  EXPECT_TRUE(keyd.opened.front().groups.empty());
}

TEST_F(ChannelOverTlsTest, FramesTravelBothWaysInOrder) {
  Side proxy;
  Side keyd;
  join(proxy, keyd);
  std::string sent;
  for (int round = 0; round < 20; ++round) {
    for (const Frame& frame :
         list(Hello{1, kInstance, 2, "proxy-1"}, ring(std::string(6000, 'r')), Applied{}, Bye{})) {
      sent += hex_of(frame);
      proxy.channel->send(frame);
      keyd.channel->send(frame);
    }
    const std::size_t expected = sent.size();
    until([&] {
      return keyd.frames_hex().size() == expected && proxy.frames_hex().size() == expected;
    });
  }
  EXPECT_EQ(keyd.frames_hex(), sent);
  EXPECT_EQ(proxy.frames_hex(), sent);
}

TEST_F(ChannelOverTlsTest, AnAddressIsVerifiedAsOne) {
  Side proxy;
  Side keyd;
  connect(proxy, proxy_, "127.0.0.1");
  keyd.channel = accepted(listening_, keyd, keyd_);
  until([&] { return proxy.is_open() && keyd.is_open(); });
  EXPECT_EQ(proxy.why(), "not closed");
}

TEST_F(ChannelOverTlsTest, AnotherNameIsRefused) {
  keyd_ = tls_of(ca_, ca_.issue({.common_name = "localhost", .dns_names = {"keyd-2.example"}}));
  Side proxy;
  Side keyd;
  join(proxy, keyd);
  until([&] { return !proxy.closed.empty() && !keyd.closed.empty(); });
  EXPECT_EQ(proxy.why(), "TLS: the peer's certificate is not for localhost (hostname mismatch)");
  EXPECT_EQ(proxy.cause, CloseCause::kTls);
  EXPECT_EQ(keyd.why(), "TLS: sslv3 alert bad certificate");
  EXPECT_EQ(keyd.cause, CloseCause::kTls);
  EXPECT_TRUE(proxy.opened.empty() && keyd.opened.empty());
}

// In TLS 1.3 the proxy is done before keyd has seen its certificate, and may have sent its HELLO.
// A reset because of those bytes would destroy the alert that says what is wrong.
TEST_F(ChannelOverTlsTest, ARefusedProxyReadsWhy) {
  TestCa other = TestCa::root("Another CA");
  proxy_ = *try_load(ca_.certificate_pem(), other.issue({.dns_names = {"proxy-1.example"}}));
  for (int round = 0; round < 30; ++round) {
    Side proxy;
    Side keyd;
    proxy.then_opened = [&] { proxy.channel->send(Hello{1, kInstance, 2, "proxy-1"}); };
    join(proxy, keyd);
    until([&] { return !proxy.closed.empty() && !keyd.closed.empty(); });
    EXPECT_EQ(keyd.why(),
              "TLS: the peer's certificate was refused (unable to get local issuer certificate)");
    EXPECT_TRUE(keyd.opened.empty());
    ASSERT_EQ(proxy.why(), "TLS: tlsv1 alert unknown ca");
    EXPECT_EQ(proxy.cause, CloseCause::kTls);
  }
}

// keyd closes while frames of the proxy are on their way or unread.
TEST_F(ChannelOverTlsTest, LastWordsSurviveATalkingPeer) {
  for (int round = 0; round < 30; ++round) {
    Side proxy;
    Side keyd;
    join(proxy, keyd);
    until([&] { return proxy.is_open() && keyd.is_open(); });
    for (int i = 0; i < 500; ++i) {
      proxy.channel->send(Applied{});
    }
    keyd.then_frame = [&] {
      keyd.channel->send(Refused{"not in this fleet"});
      keyd.channel->finish();
    };
    until([&] { return !proxy.closed.empty() && !keyd.closed.empty(); });
    ASSERT_EQ(proxy.frames_hex(), hex_of(Refused{"not in this fleet"})) << proxy.why();
    EXPECT_EQ(proxy.why(), "the peer closed the connection");
    EXPECT_EQ(keyd.frames.size(), 1U);
    EXPECT_EQ(keyd.cause, CloseCause::kFinished);
  }
}

TEST_F(ChannelOverTlsTest, WhatCannotBeReachedSaysWhy) {
  const std::string closed = port();
  listening_.reset();
  struct Case {
    std::string endpoint;
    std::string why;
  };
  for (const Case& c :
       {Case{"tls:127.0.0.1:" + closed, "127.0.0.1:" + closed + ": Connection refused"},
        Case{"tls:" + std::string(64, 'x') + ".invalid:1",
             "cannot resolve '" + std::string(64, 'x') + ".invalid'"}}) {
    Side side;
    side.channel = Channel::connect(loop_, *parse_endpoint(c.endpoint), proxy_, side.events());
    EXPECT_TRUE(side.closed.empty()) << "on_closed inside connect()";
    until([&] { return !side.closed.empty(); });
    EXPECT_EQ(side.why().rfind(c.why, 0), 0U) << side.why();
    EXPECT_EQ(side.cause, CloseCause::kUnreachable);
  }
}

TEST_F(ChannelOverTlsTest, AHostThatNeverAnswersIsGivenUp) {
  const FullQueue silent;
  catch_up();
  Side side;
  side.channel = Channel::connect(loop_, *parse_endpoint("tls:" + silent.address.to_string()),
                                  proxy_, side.events(), kShort);
  until([&] { return !side.closed.empty(); });
  EXPECT_EQ(side.why(), silent.address.to_string() + ": Connection timed out");
  EXPECT_EQ(side.cause, CloseCause::kUnreachable);
}

// One refuses, one is no address to connect to, one never answers, the last is keyd.
TEST_F(ChannelOverTlsTest, EveryAddressOfANameIsTried) {
  SocketAddress refusing;
  {
    const UniqueFd gone = *uv::listen_tcp(*SocketAddress::parse("127.0.0.1:0"), 1);
    refusing = uv::bound_address(gone.value());
  }
  const FullQueue silent;
  Side proxy;
  Side keyd;
  catch_up();
  auto channel = std::make_unique<SocketChannel>(loop_, proxy_, proxy.events(), kShort);
  channel->begin_connect(endpoint(), {refusing, SocketAddress(), silent.address,
                                      uv::bound_address(listening_.value())});
  proxy.channel = std::move(channel);
  keyd.channel = accepted(listening_, keyd, keyd_);
  until([&] { return proxy.is_open() || !proxy.closed.empty(); });
  EXPECT_TRUE(proxy.is_open()) << proxy.why();
}

TEST_F(ChannelOverTlsTest, TheLastAddressSaysWhy) {
  const SocketAddress address = uv::bound_address(listening_.value());
  listening_.reset();
  Side proxy;
  auto channel = std::make_unique<SocketChannel>(loop_, proxy_, proxy.events(), ChannelLimits());
  channel->begin_connect(*parse_endpoint("tls:localhost:1"), {SocketAddress(), address});
  proxy.channel = std::move(channel);
  EXPECT_TRUE(proxy.closed.empty()) << "on_closed inside connect()";
  until([&] { return !proxy.closed.empty(); });
  EXPECT_EQ(proxy.why(), address.to_string() + ": Connection refused");
  EXPECT_EQ(proxy.cause, CloseCause::kUnreachable);
}

TEST_F(ChannelOverTlsTest, AHandshakeThatDoesNotBeginIsGivenUp) {
  Side keyd;
  const RawPeer silent_proxy = join_raw_tcp(keyd, kShort);
  Side proxy;
  connect(proxy, proxy_, "127.0.0.1", kShort);  // to nobody who accepts
  until([&] { return !keyd.closed.empty() && !proxy.closed.empty(); });
  for (const Side* side : {&keyd, &proxy}) {
    EXPECT_EQ(side->why(), "no TLS handshake within 400 ms");
    EXPECT_EQ(side->cause, CloseCause::kSilent);
    EXPECT_TRUE(side->opened.empty());
  }
}

TEST_F(ChannelOverTlsTest, ASlowHandshakeHasNoMoreTime) {
  Side keyd;
  RawPeer peer = join_raw_tcp(keyd, kShort);
  const std::string hello = "\x16\x03\x01\x02\x00\x01";  // a record of 512 bytes that never ends
  int sent = 0;
  const auto begin = std::chrono::steady_clock::now();
  while (keyd.closed.empty() && sent < 520) {
    const char byte = sent < 6 ? hello[static_cast<std::size_t>(sent)] : 'x';
    EXPECT_TRUE(peer.write({&byte, 1}) || sent > 6);
    ++sent;
    pass(5ms);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10 * kShort.silence_max);
  EXPECT_EQ(keyd.cause, CloseCause::kSilent) << keyd.why();
}

TEST_F(ChannelOverTlsTest, WhatIsNoTlsIsRefused) {
  for (const std::string& bytes :
       {std::string("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), std::string(100000, 'x'),
        std::string(50000, '\0'), std::string(text_of(encode(Pull{}).bytes()))}) {
    Side keyd;
    RawPeer peer = join_raw_tcp(keyd, kShort);
    (void)peer.write_some(bytes);
    until([&] {
      peer.read();
      if (peer.ended()) {
        peer.close();
      }
      return !keyd.closed.empty();
    });
    EXPECT_EQ(keyd.cause, CloseCause::kTls) << keyd.why();
    EXPECT_TRUE(keyd.opened.empty());
  }
}

TEST_F(ChannelOverTlsTest, ManyFramesInOneRecord) {
  Side keyd;
  RawTls raw(loop_, uv::connected_client(uv::bound_address(listening_.value())));
  keyd.channel = accepted(listening_, keyd, keyd_);
  shake_hands(raw, keyd);
  std::string record;
  std::size_t frames = 0;
  while (record.size() + 53 <= 16384) {  // more than a channel reads at once
    record += text_of(encode(Applied{{1, ++frames}, kDigest}).bytes());
  }
  ASSERT_EQ(raw.link.write(bytes_of(record)).count, record.size());
  until([&] { return keyd.frames.size() == frames; });
  EXPECT_EQ(keyd.frames_hex(), hex(bytes_of(record)));

  // More than it reads in one turn, the last of it inside OpenSSL.
  keyd.frames.clear();
  std::string all;
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(raw.link.write(bytes_of(record)).count, record.size());
    all += record;
  }
  until([&] { return keyd.frames.size() == 20 * frames; });
  EXPECT_EQ(keyd.frames_hex(), hex(bytes_of(all)));
}

TEST_F(ChannelOverTlsTest, OneByteInARecord) {
  Side keyd;
  RawTls raw(loop_, uv::connected_client(uv::bound_address(listening_.value())));
  keyd.channel = accepted(listening_, keyd, keyd_);
  shake_hands(raw, keyd);
  std::string stream;
  for (const Frame& frame : list(Hello{1, kInstance, 2, "p"}, Applied{}, Pull{})) {
    stream += text_of(encode(frame).bytes());
  }
  for (const char byte : stream) {
    ASSERT_EQ(raw.link.write(bytes_of({&byte, 1})).count, 1U);
  }
  until([&] { return keyd.frames.size() == 3; });
  EXPECT_EQ(keyd.frames_hex(), hex(bytes_of(stream)));
}

TEST_F(ChannelOverTlsTest, GarbageInsideTlsCloses) {
  Side keyd;
  RawTls raw(loop_, uv::connected_client(uv::bound_address(listening_.value())));
  keyd.channel = accepted(listening_, keyd, keyd_);
  shake_hands(raw, keyd);
  const std::string garbage(16384, 'g');
  for (int i = 0; i < 20; ++i) {
    (void)raw.link.write(bytes_of(garbage));
  }
  until([&] { return !keyd.closed.empty(); });
  EXPECT_EQ(keyd.cause, CloseCause::kMalformed);
  EXPECT_TRUE(keyd.frames.empty());
}

TEST_F(ChannelOverTlsTest, ADamagedRecordCloses) {
  Side keyd;
  RawTls raw(loop_, uv::connected_client(uv::bound_address(listening_.value())));
  keyd.channel = accepted(listening_, keyd, keyd_);
  shake_hands(raw, keyd);
  const std::string record = std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x');
  EXPECT_EQ(raw.stream.write(bytes_of(record)).count, record.size());
  raw.stream.shutdown_write();
  until([&] { return !keyd.closed.empty(); });
  EXPECT_EQ(keyd.cause, CloseCause::kTls);
  EXPECT_EQ(keyd.why().rfind("TLS: ", 0), 0U) << keyd.why();
}

TEST_F(ChannelOverTlsTest, AResetIsToldInEachPhase) {
  for (const bool open : {false, true}) {
    Side keyd;
    RawTls raw(loop_, uv::connected_client(uv::bound_address(listening_.value())));
    keyd.channel = accepted(listening_, keyd, keyd_);
    if (open) {
      shake_hands(raw, keyd);
    }
    raw.stream.reset();
    until([&] { return !keyd.closed.empty(); });
    EXPECT_EQ(keyd.why(), "Connection reset by peer");
    EXPECT_EQ(keyd.cause, open ? CloseCause::kPeer : CloseCause::kTls);
  }
}

TEST_F(ChannelOverTlsTest, APeerThatDoesNotReadIsLeft) {
  Side keyd;
  RawTls raw(loop_, uv::connected_client(uv::bound_address(listening_.value())));
  keyd.channel = accepted(listening_, keyd, keyd_);
  shake_hands(raw, keyd);
  for (int sent = 0; keyd.closed.empty() && sent < 200000; ++sent) {
    keyd.channel->send(Applied{});
    if (sent % 200 == 0) {
      turn();
    }
  }
  EXPECT_EQ(keyd.cause, CloseCause::kSlow);
}

TEST_F(ChannelOverTlsTest, APeerThatAnswersStays) {
  Side proxy;
  Side keyd;
  join(proxy, keyd, kShort);
  until([&] { return proxy.is_open() && keyd.is_open(); });
  pass(3 * kShort.silence_max);
  EXPECT_TRUE(proxy.is_open()) << proxy.why();
  EXPECT_TRUE(keyd.is_open()) << keyd.why();
}

}  // namespace
}  // namespace usher::push
