// The owner may destroy its channel, or another, in any callback; nothing runs afterwards. What
// goes wrong here is seen by AddressSanitizer.

#include "proxy/uv/listener.h"
#include "tests/unit/push/support/channel_test.h"

namespace usher::push {
namespace {

using namespace test;

// What the callbacks own must live until they return, also when they destroy their own channel.
struct Owner {
  std::unique_ptr<Channel> channel;
  std::string log;

  Channel::Events events(const std::string& destroy_in) {
    // Too large for std::function's own memory, so the captures die with it.
    const std::string ballast(100, '.');
    return {
        [this, ballast, destroy_in](const PeerIdentity&) { step("open", destroy_in, ballast); },
        [this, ballast, destroy_in](const Frame&) { step("frame", destroy_in, ballast); },
        [this, ballast, destroy_in](const std::string&) { step("closed", destroy_in, ballast); }};
  }

  void step(const char* name, const std::string& destroy_in, const std::string& ballast) {
    log += std::string(name) + " ";
    if (destroy_in == name) {
      channel.reset();
    }
    EXPECT_EQ(destroy_in.size() + ballast.size(), std::string(destroy_in).size() + 100);
  }
};

TEST_F(ChannelTest, MayBeDestroyedInEachCallback) {
  struct Case {
    const char* destroy_in;
    const char* log;
  };
  for (const Case& c : {Case{"open", "open "}, Case{"frame", "open frame "},
                        Case{"closed", "open frame frame closed "}}) {
    Owner owner;
    uv::SocketPair pair;
    RawPeer peer(std::move(pair.theirs));
    ASSERT_TRUE(peer.write(Pull{}) && peer.write(Pull{}) && peer.write(raw_frame(1, 99)));
    owner.channel =
        Channel::accept(loop_, std::move(pair.ours), nullptr, owner.events(c.destroy_in));
    until([&] { return owner.channel == nullptr; });
    pass(10ms);
    EXPECT_EQ(owner.log, c.log);
    EXPECT_TRUE(peer.ended());
  }
}

TEST_F(ChannelTest, MayBeDestroyedInEachCallbackOverTls) {
  TestCa ca = TestCa::root("CA");
  const auto tls = tls_of(ca, ca.issue({.dns_names = {"localhost"}}));
  for (const char* name : {"open", "frame", "closed"}) {
    const std::string destroy_in = name;
    UniqueFd listening = *uv::listen_tcp(*SocketAddress::parse("127.0.0.1:0"), 16);
    const std::string port = std::to_string(uv::bound_address(listening.value()).port());
    Owner proxy;
    Side keyd;
    proxy.channel = Channel::connect(loop_, *parse_endpoint("tls:localhost:" + port), tls,
                                     proxy.events(destroy_in));
    keyd.channel = accepted(listening, keyd, tls);
    keyd.then_opened = [&] {
      keyd.channel->send(Pull{});
      keyd.channel->send(Pull{});
      keyd.channel->finish();
    };
    until([&] { return proxy.channel == nullptr && !keyd.closed.empty(); });
    pass(10ms);
    EXPECT_EQ(proxy.log, destroy_in == "open"    ? "open "
                         : destroy_in == "frame" ? "open frame "
                                                 : "open frame frame closed ");
  }
}

TEST_F(ChannelTest, OneMayDestroyTheOther) {
  Side first;
  Side second;
  RawPeer to_first = join_raw(first);
  RawPeer to_second = join_raw(second);
  until([&] { return first.is_open() && second.is_open(); });
  // Both are ready in the same turn: whichever is told first destroys the other.
  first.then_frame = [&] { second.channel.reset(); };
  second.then_frame = [&] { first.channel.reset(); };
  ASSERT_TRUE(to_first.write(Pull{}) && to_second.write(Pull{}));
  until([&] { return first.channel == nullptr || second.channel == nullptr; });
  turn();
  EXPECT_EQ(first.frames.size() + second.frames.size(), 1U);
}

TEST_F(ChannelTest, MayBeDestroyedBeforeAnythingHappened) {
  for (const std::string& text : {"unix:" + socket_path(), std::string("tls:127.0.0.1:1")}) {
    TestCa ca = TestCa::root("CA");
    Side side;
    side.channel =
        Channel::connect(loop_, *parse_endpoint(text),
                         tls_of(ca, ca.issue({.dns_names = {"localhost"}})), side.events());
    side.channel.reset();
    turn();
    EXPECT_TRUE(side.closed.empty());
  }
}

// Sending, finishing and overflowing inside callbacks.
TEST_F(ChannelTest, MayBeUsedInItsCallbacks) {
  Side side;
  RawPeer peer = join_raw(side);
  side.then_opened = [&] { side.channel->send(Ping{5}); };
  side.then_frame = [&] {
    side.channel->send(Refused{"overflow"});
    for (int i = 0; i < 5000; ++i) {
      side.channel->send(Applied{});
    }
    side.channel->finish();
  };
  side.then_closed = [&] {
    side.channel->send(Pull{});
    side.channel->finish();
  };
  ASSERT_TRUE(peer.write(Pull{}) && peer.write(Pull{}));
  until([&] { return !side.closed.empty(); });
  turn();
  EXPECT_EQ(side.frames.size(), 1U);
  EXPECT_EQ(side.cause, CloseCause::kSlow);
}

}  // namespace
}  // namespace usher::push
