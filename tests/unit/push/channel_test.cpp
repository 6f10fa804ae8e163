// Two channels on one loop over a Unix socket: who is there, what travels, how they end.

#include "proxy/push/channel.h"

#include <grp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "tests/unit/push/support/channel_test.h"

namespace usher::push {
namespace {

using namespace test;

TEST_F(ChannelTest, BothSidesLearnWhoIsThere) {
  Side proxy;
  Side keyd;
  join_unix(proxy, keyd);
  until([&] { return proxy.is_open() && keyd.is_open(); });
  for (const Side* side : {&proxy, &keyd}) {
    const PeerIdentity& peer = side->opened.front();
    EXPECT_FALSE(peer.tls);
    EXPECT_EQ(peer.uid, ::geteuid());
    EXPECT_EQ(peer.pid, ::getpid());
    ASSERT_FALSE(peer.groups.empty());
    EXPECT_EQ(peer.groups.front(), ::getegid());
    EXPECT_TRUE(peer.dns_names.empty());
    EXPECT_EQ(peer.text,
              "uid=" + std::to_string(::geteuid()) + " pid=" + std::to_string(::getpid()));
  }
}

TEST_F(ChannelTest, SupplementaryGroupsAreSeen) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "only root may change its groups";
  }
  std::vector<gid_t> before(static_cast<std::size_t>(::getgroups(0, nullptr)));
  ASSERT_GE(::getgroups(static_cast<int>(before.size()), before.data()), 0);
  std::vector<gid_t> many;
  for (gid_t group = 5000; group < 5100; ++group) {  // more than the first question asks for
    many.push_back(group);
  }
  ASSERT_EQ(::setgroups(many.size(), many.data()), 0);
  Side proxy;
  Side keyd;
  join_unix(proxy, keyd);
  until([&] { return keyd.is_open(); });
  ASSERT_EQ(::setgroups(before.size(), before.data()), 0);
  EXPECT_EQ(keyd.opened.front().groups.size(), 101U);
  EXPECT_EQ(keyd.opened.front().groups.back(), 5099U);
}

TEST_F(ChannelTest, FramesTravelBothWaysInOrder) {
  Side proxy;
  Side keyd;
  join_unix(proxy, keyd);
  std::string sent;
  for (const Frame& frame : every_frame()) {
    if (std::holds_alternative<Ping>(frame) || std::holds_alternative<Pong>(frame)) {
      continue;  // answered by the channel
    }
    sent += hex_of(frame);
    proxy.channel->send(frame);  // before it is open
    keyd.channel->send(frame);
  }
  until([&] { return keyd.frames.size() == 6 && proxy.frames.size() == 6; });
  EXPECT_EQ(keyd.frames_hex(), sent);
  EXPECT_EQ(proxy.frames_hex(), sent);
  EXPECT_TRUE(proxy.is_open() && keyd.is_open());
}

TEST_F(ChannelTest, TheNewestRingIsEnough) {
  Side proxy;
  Side keyd;
  join_unix(proxy, keyd);
  until([&] { return keyd.is_open(); });
  for (int i = 0; i <= 1000; ++i) {
    keyd.channel->send(ring("ring " + std::to_string(i)));
  }
  keyd.channel->send(Bye{});
  until([&] { return proxy.frames.size() >= 2; });
  EXPECT_EQ(proxy.frames_hex(), hex_of(ring("ring 1000")) + hex_of(Bye{}));
}

TEST_F(ChannelTest, FinishingDeliversWhatWaitsThenEnds) {
  Side proxy;
  Side keyd;
  join_unix(proxy, keyd);
  until([&] { return proxy.is_open() && keyd.is_open(); });
  keyd.channel->send(ring(std::string(6000, 'r')));
  keyd.channel->send(Refused{"not you"});
  keyd.channel->finish();
  keyd.channel->finish();
  keyd.channel->send(Pull{});  // too late
  EXPECT_TRUE(keyd.closed.empty()) << "on_closed inside finish()";
  until([&] { return !proxy.closed.empty() && !keyd.closed.empty(); });
  EXPECT_EQ(proxy.frames_hex(), hex_of(ring(std::string(6000, 'r'))) + hex_of(Refused{"not you"}));
  EXPECT_EQ(proxy.why(), "the peer closed the connection");
  EXPECT_EQ(proxy.cause, CloseCause::kPeer);
  EXPECT_EQ(keyd.why(), "closed here");
  EXPECT_EQ(keyd.cause, CloseCause::kFinished);
}

// Its time begins then, however long the loop's turn has taken so far.
TEST_F(ChannelTest, FinishingAfterLongWorkDeliversWhatWaits) {
  Side side;
  RawPeer peer = join_raw(side, kShort);
  until([&] { return side.is_open(); });
  side.then_frame = [&] {
    std::this_thread::sleep_for(kShort.finish_max + 20ms);
    side.channel->send(Refused{"not you"});
    side.channel->finish();
  };
  ASSERT_TRUE(peer.write(Pull{}));
  std::string heard;
  until([&] { return !(heard += peer.read()).empty() || peer.ended(); });
  EXPECT_EQ(hex(bytes_of(heard)), hex_of(Refused{"not you"}));
}

TEST_F(ChannelTest, NoFrameComesAfterFinish) {
  Side side;
  RawPeer peer = join_raw(side, kShort);
  until([&] { return side.is_open(); });
  side.then_frame = [&] { side.channel->finish(); };
  ASSERT_TRUE(peer.write(Pull{}) && peer.write(Bye{}) && peer.write(Pull{}));
  until([&] { return peer.ended(); });
  ASSERT_TRUE(peer.write(Pull{}));  // read and thrown away
  pass(20ms);
  peer.close();
  until([&] { return !side.closed.empty(); });
  EXPECT_EQ(side.frames_hex(), hex_of(Pull{}));
  EXPECT_EQ(side.cause, CloseCause::kFinished);
}

TEST_F(ChannelTest, FinishingWaitsOnlySoLong) {
  Side side;
  const RawPeer peer = join_raw(side, kShort);  // neither reads nor closes
  until([&] { return side.is_open(); });
  for (int i = 0; i < 1000; ++i) {  // more than the socket takes
    side.channel->send(Applied{});
  }
  side.channel->finish();
  const auto begin = std::chrono::steady_clock::now();
  until([&] { return !side.closed.empty(); });
  EXPECT_GE(std::chrono::steady_clock::now() - begin, kShort.finish_max - 20ms);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10 * kShort.finish_max);
  EXPECT_EQ(side.cause, CloseCause::kFinished);
}

TEST_F(ChannelTest, FinishingBeforeItIsOpenEndsToo) {
  Side side;
  const RawPeer peer = join_raw(side);
  side.channel->finish();
  EXPECT_TRUE(side.closed.empty()) << "on_closed inside finish()";
  until([&] { return !side.closed.empty(); });
  EXPECT_TRUE(side.opened.empty());
  EXPECT_EQ(side.cause, CloseCause::kFinished);
}

TEST_F(ChannelTest, WhatCameBeforeTheEndIsDelivered) {
  Side side;
  RawPeer peer = join_raw(side);
  ASSERT_TRUE(peer.write(Pull{}) && peer.write(Bye{}) && peer.write("\0\0"));
  peer.close();
  until([&] { return !side.closed.empty(); });
  EXPECT_EQ(side.frames_hex(), hex_of(Pull{}) + hex_of(Bye{}));
  EXPECT_EQ(side.cause, CloseCause::kPeer);
}

TEST_F(ChannelTest, DestroyingClosesAtOnce) {
  Side side;
  RawPeer peer = join_raw(side);
  until([&] { return side.is_open(); });
  side.channel.reset();
  EXPECT_TRUE(peer.ended());
  pass(20ms);
  EXPECT_TRUE(side.closed.empty());
}

TEST_F(ChannelTest, WhatCannotBeConnectedSaysWhy) {
  struct Case {
    std::string endpoint;
    std::string why;
  };
  const std::string file = directory_.write("file", "");
  for (const Case& c : {Case{"unix:" + directory_.path() + "/none",
                             directory_.path() + "/none: No such file or directory"},
                        Case{"unix:" + file, file + ": Connection refused"}}) {
    Side side;
    side.channel = Channel::connect(loop_, *parse_endpoint(c.endpoint), nullptr, side.events());
    EXPECT_TRUE(side.closed.empty()) << "on_closed inside connect()";
    until([&] { return !side.closed.empty(); });
    EXPECT_EQ(side.why(), c.why);
    EXPECT_EQ(side.cause, CloseCause::kUnreachable);
    EXPECT_TRUE(side.opened.empty());
  }
}

TEST_F(ChannelTest, AFullQueueIsNamed) {
  const UniqueFd listening = listen_unix(0);
  std::vector<Side> sides(8);
  for (Side& side : sides) {
    side.channel =
        Channel::connect(loop_, *parse_endpoint("unix:" + socket_path()), nullptr, side.events());
  }
  until([&] { return !sides.back().closed.empty(); });
  EXPECT_EQ(sides.back().why(), socket_path() + ": its queue of connections is full");
}

TEST_F(ChannelTest, NoSocketIsToldLikeAnyEnd) {
  Side side;
  side.channel = Channel::accept(loop_, UniqueFd(), nullptr, side.events());
  EXPECT_TRUE(side.closed.empty());
  until([&] { return !side.closed.empty(); });
  EXPECT_EQ(side.cause, CloseCause::kLocal);
}

}  // namespace
}  // namespace usher::push
