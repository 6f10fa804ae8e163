// Silence, slowness and floods: nothing is waited for without end, nothing grows without end.

#include <sys/socket.h>

#include <algorithm>
#include <thread>

#include "tests/unit/push/support/channel_test.h"

namespace usher::push {
namespace {

using namespace test;

// The frames in what a raw peer read.
std::vector<Frame> frames_in(std::string_view bytes) {
  FrameReader reader;
  std::vector<Frame> frames;
  while (!bytes.empty()) {
    const std::size_t count = std::min(reader.room().size(), bytes.size());
    feed(reader, bytes_of(bytes.substr(0, count)));
    bytes.remove_prefix(count);
    for (auto next = reader.next(); next && next->has_value(); next = reader.next()) {
      frames.push_back(*std::move(*next));
    }
  }
  return frames;
}

TEST(ChannelLimits, AreThoseOfTheProtocol) {
  const ChannelLimits limits;
  EXPECT_EQ(limits.ping_after, 5s);
  EXPECT_EQ(limits.silence_max, 15s);
  EXPECT_EQ(limits.finish_max, 1s);
  EXPECT_EQ(limits.output_max, 65536U);
}

TEST_F(ChannelTest, APingIsAnsweredByTheSame) {
  Side side;
  RawPeer peer = join_raw(side);
  ASSERT_TRUE(peer.write(Ping{0x0102030405060708}));
  std::string answer;
  until([&] { return (answer += peer.read()).size() >= 13; });
  EXPECT_EQ(hex(bytes_of(answer)), hex_of(Pong{0x0102030405060708}));
  EXPECT_TRUE(side.frames.empty());
}

TEST_F(ChannelTest, ASilentPeerIsPingedThenLeft) {
  Side side;
  RawPeer peer = join_raw(side, kShort);
  const auto begin = std::chrono::steady_clock::now();
  std::string heard;
  until([&] {
    heard += peer.read();
    return !side.closed.empty();
  });
  const auto waited = std::chrono::steady_clock::now() - begin;
  EXPECT_GE(waited, kShort.silence_max - 10ms);
  EXPECT_EQ(side.why(), "nothing came from the peer for 400 ms");
  EXPECT_EQ(side.cause, CloseCause::kSilent);
  const auto pings = frames_in(heard);
  ASSERT_GE(pings.size(), 1U);
  ASSERT_LE(pings.size(), 4U);
  for (std::size_t i = 0; i < pings.size(); ++i) {
    EXPECT_EQ(hex_of(pings[i]), hex_of(Ping{i + 1}));
  }
}

TEST_F(ChannelTest, APeerThatAnswersStays) {
  Side proxy;
  Side keyd;
  join_unix(proxy, keyd, kShort);
  until([&] { return proxy.is_open() && keyd.is_open(); });
  pass(3 * kShort.silence_max);
  EXPECT_TRUE(proxy.is_open()) << proxy.why();
  EXPECT_TRUE(keyd.is_open()) << keyd.why();
  EXPECT_LT(loop_.now() - keyd.channel->last_heard(), kShort.silence_max);
}

// A process that was stopped finds both: too much time gone and frames in its socket.
TEST_F(ChannelTest, AfterAStandstillWhatCameCounts) {
  Side heard;
  Side unheard;
  RawPeer peer = join_raw(heard, kShort);
  const RawPeer silent = join_raw(unheard, kShort);
  until([&] { return heard.is_open() && unheard.is_open(); });
  ASSERT_TRUE(peer.write(Pull{}));
  std::this_thread::sleep_for(kShort.silence_max + 20ms);
  until([&] { return !unheard.closed.empty(); });
  EXPECT_EQ(unheard.cause, CloseCause::kSilent);
  EXPECT_TRUE(heard.is_open()) << heard.why();
  EXPECT_EQ(heard.frames.size(), 1U);
}

TEST_F(ChannelTest, APeerThatTalksIsNotPinged) {
  Side side;
  RawPeer peer = join_raw(side, kShort);
  std::string heard;
  std::size_t silences = 0;  // of a machine that stands still
  uv::LoopTime last = loop_.now();
  side.then_frame = [&] {
    silences += loop_.now() - last >= kShort.ping_after ? 1 : 0;
    last = loop_.now();
  };
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(peer.write(Pull{}));
    pass(15ms);
    heard += peer.read();
  }
  EXPECT_TRUE(side.is_open());
  EXPECT_EQ(side.frames.size(), 30U);
  EXPECT_LE(frames_in(heard).size(), silences);
}

// One byte now and then is no frame: such a peer is as good as silent.
TEST_F(ChannelTest, BytesThatMakeNoFrameAreNotHeard) {
  Side side;
  RawPeer peer = join_raw(side, kShort);
  const SecretBuffer slow = encode(ring(std::string(6000, 'r')));
  std::size_t at = 0;
  while (side.closed.empty() && at < slow.size()) {
    if (peer.write(text_of(slow.bytes().subspan(at, 1)))) {
      ++at;
    }
    pass(2ms);
  }
  EXPECT_GT(at, 1U);
  EXPECT_EQ(side.cause, CloseCause::kSilent);
  EXPECT_TRUE(side.frames.empty());
}

TEST_F(ChannelTest, LastHeardMovesWithEachFrame) {
  Side side;
  RawPeer peer = join_raw(side);
  until([&] { return side.is_open(); });
  const uv::LoopTime opened = side.channel->last_heard();
  pass(30ms);
  EXPECT_EQ(side.channel->last_heard(), opened);
  ASSERT_TRUE(peer.write(text_of(encode(Pong{1}).bytes()).substr(0, 12)));
  pass(10ms);
  EXPECT_EQ(side.channel->last_heard(), opened);
  ASSERT_TRUE(peer.write("\x01"));
  pass(10ms);
  EXPECT_GE(side.channel->last_heard(), opened + 30ms);
}

TEST_F(ChannelTest, OneByteAtATimeIsEnough) {
  Side side;
  RawPeer peer = join_raw(side);
  std::string stream;
  for (const Frame& frame :
       list(Hello{1, kInstance, 2, "proxy-1"}, Applied{{1, 2}, kDigest}, Bye{})) {
    stream += text_of(encode(frame).bytes());
  }
  for (const char byte : stream) {
    ASSERT_TRUE(peer.write({&byte, 1}));
    turn(2);
  }
  until([&] { return side.frames.size() == 3; });
  EXPECT_EQ(side.frames_hex(), hex(bytes_of(stream)));
}

TEST_F(ChannelTest, WhatIsNoFrameCloses) {
  struct Case {
    std::string bytes;
    std::string why;
  };
  for (const Case& c :
       {Case{"GET / HTTP/1.1\r\n\r\n", "a frame of 1195725856 bytes; 1 to 8192 are allowed"},
        Case{std::string(4, '\0'), "a frame of 0 bytes; 1 to 8192 are allowed"},
        Case{raw_frame(8193, 2), "a frame of 8193 bytes; 1 to 8192 are allowed"},
        Case{raw_frame(5, 99), "a frame of the unknown type 99"},
        Case{raw_frame(9, 3), "APPLIED with a payload of 8 bytes"}}) {
    Side side;
    RawPeer peer = join_raw(side);
    ASSERT_TRUE(peer.write(Pull{}) && peer.write(c.bytes));
    until([&] { return !side.closed.empty(); });
    EXPECT_EQ(side.why(), c.why);
    EXPECT_EQ(side.cause, CloseCause::kMalformed);
    EXPECT_EQ(side.frames_hex(), hex_of(Pull{}));
    EXPECT_TRUE(peer.ended());
  }
}

TEST_F(ChannelTest, AFloodOfGarbageEndsAtItsFirstFrame) {
  std::uint32_t state = 12345;  // a linear congruential generator: the same bytes every time
  for (int round = 0; round < 200; ++round) {
    std::string garbage;
    for (int i = 0; i < 5000; ++i) {
      state = state * 1664525 + 1013904223;
      garbage += static_cast<char>(state >> 24);
    }
    Side side;
    RawPeer peer = join_raw(side);
    ASSERT_TRUE(peer.write(garbage));
    until([&] { return !side.closed.empty(); });
    EXPECT_EQ(side.cause, CloseCause::kMalformed);
    EXPECT_TRUE(side.frames.empty());
  }
}

// One peer that sends as fast as it can does not keep the loop from others.
TEST_F(ChannelTest, AFloodOfFramesLeavesTurnsToOthers) {
  Side flooded;
  Side quiet;
  RawPeer flooder = join_raw(flooded);
  RawPeer peer = join_raw(quiet);
  std::string flood;
  for (int i = 0; i < 10000; ++i) {
    flood += text_of(encode(Pull{}).bytes());
  }
  until([&] { return flooded.is_open() && quiet.is_open(); });
  int turns = 0;
  std::size_t sent = 0;
  flooded.then_frame = [&] {  // there is always more
    sent = (sent + flooder.write_some(std::string_view(flood).substr(sent))) % flood.size();
  };
  flooded.then_frame();
  ASSERT_TRUE(peer.write(Pull{}));
  until([&] { return !quiet.frames.empty() && ++turns > 20; });
  EXPECT_TRUE(flooded.is_open()) << flooded.why();
  EXPECT_GT(flooded.frames.size(), 1000U);
}

TEST_F(ChannelTest, APeerThatDoesNotReadIsLeft) {
  Side side;
  const RawPeer peer = join_raw(side);
  until([&] { return side.is_open(); });
  int sent = 0;
  while (side.channel->cause() == CloseCause::kNone && ++sent < 100000) {
    side.channel->send(Applied{});
    if (sent % 100 == 0) {
      turn();
    }
  }
  EXPECT_EQ(side.channel->cause(), CloseCause::kSlow);
  until([&] { return !side.closed.empty(); });
  EXPECT_EQ(side.why(), "the peer does not read: more than 65536 bytes wait for it");
}

TEST_F(ChannelTest, OverflowIsToldFromTheLoop) {
  Side side;
  const RawPeer peer = join_raw(side);
  for (int i = 0; i < 5000; ++i) {
    side.channel->send(Applied{});
  }
  EXPECT_TRUE(side.closed.empty()) << "on_closed inside send()";
  until([&] { return !side.closed.empty(); });
  EXPECT_EQ(side.cause, CloseCause::kSlow);
  EXPECT_TRUE(side.opened.empty());
}

// A subscriber that stands still costs one ring, not one for each rotation.
TEST_F(ChannelTest, ASlowReaderGetsTheNewestRing) {
  Side side;
  RawPeer peer = join_raw(side);
  until([&] { return side.is_open(); });
  constexpr int kRings = 2000;  // 12 MB, far beyond what a socket takes
  for (int i = 1; i <= kRings; ++i) {
    std::string bytes = std::to_string(i) + " ";
    bytes.resize(6000, 'r');
    side.channel->send(ring(bytes));
    turn(1);
  }
  EXPECT_TRUE(side.is_open()) << side.why();
  std::string heard;
  std::string last;
  until([&] {
    heard += peer.read();
    const auto frames = frames_in(heard);
    if (!frames.empty()) {
      last = text_of(std::get<Ring>(frames.back()).bytes.bytes());
    }
    return last.starts_with(std::to_string(kRings) + " ");
  });
  EXPECT_LT(frames_in(heard).size(), 500U);
}

TEST_F(ChannelTest, APeerThatVanishesIsToldApart) {
  Side side;
  RawPeer peer = join_raw(side);
  until([&] { return side.is_open(); });
  side.channel->send(Applied{});
  turn();
  peer.close();  // with unread bytes: ECONNRESET, also on a Unix socket
  until([&] { return !side.closed.empty(); });
  EXPECT_EQ(side.cause, CloseCause::kPeer);
  EXPECT_EQ(side.why(), "Connection reset by peer");
}

}  // namespace
}  // namespace usher::push
