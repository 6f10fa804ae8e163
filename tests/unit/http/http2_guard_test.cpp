// What a client may cost, and frames on streams that are closed.
#include "proxy/http/http2_guard.h"

#include <gtest/gtest.h>

namespace usher::http::http2 {
namespace {

using Verdict = Guard::Verdict;
using std::chrono::milliseconds;

constexpr std::size_t kBlockMax = 80 * 1024;
constexpr uv::LoopTime kStart(5'000);

class Http2GuardTest : public testing::Test {
 protected:
  static FrameHeader frame(FrameType type, std::uint32_t stream, std::uint32_t length = 4,
                           std::uint8_t flags = 0) {
    return {length, type, flags, stream, 0};
  }
  Verdict tell(const FrameHeader& frame) { return guard_.on_frame(frame, now_); }
  Verdict request(std::uint32_t stream) {
    return tell(frame(FrameType::kHeaders, stream, 30, kEndStream | kEndHeaders));
  }
  // How many of these pass before one is a flood.
  std::uint32_t passing(const FrameHeader& frame, std::uint32_t most) {
    std::uint32_t count = 0;
    while (count < most && tell(frame) == Verdict::kPass) {
      ++count;
    }
    return count;
  }

  uv::LoopTime now_ = kStart;
  Guard guard_{kBlockMax, kStart};
};

TEST_F(Http2GuardTest, ResetsAreBoundedAndTimeGivesThemBack) {
  EXPECT_EQ(passing(frame(FrameType::kRstStream, 1), 10'000), kResetsBurst);
  now_ += milliseconds(500);
  EXPECT_EQ(passing(frame(FrameType::kRstStream, 1), 10'000), kResetsPerSecond / 2);
  now_ += milliseconds(3'600'000);
  EXPECT_EQ(passing(frame(FrameType::kRstStream, 1), 10'000), kResetsBurst);
}

TEST_F(Http2GuardTest, ErrorsThatTheClientCausesCostWhatResetsCost) {
  for (std::uint32_t i = 0; i < kResetsBurst; ++i) {
    EXPECT_TRUE(guard_.charge_error(now_));
  }
  EXPECT_FALSE(guard_.charge_error(now_));
  EXPECT_EQ(tell(frame(FrameType::kRstStream, 1)), Verdict::kFlood);
}

TEST_F(Http2GuardTest, FramesThatBringNothingForwardAreBoundedTogether) {
  const FrameHeader frames[] = {
      frame(FrameType::kSettings, 0, 0),    frame(FrameType::kPing, 0, 8),
      frame(FrameType::kPriority, 1, 5),    frame(FrameType::kWindowUpdate, 0),
      frame(static_cast<FrameType>(99), 0), frame(FrameType::kData, 0, 0)};
  std::uint32_t count = 0;
  while (count < 10'000 && tell(frames[count % std::size(frames)]) == Verdict::kPass) {
    ++count;
  }
  EXPECT_EQ(count, kIdleFramesBurst);
}

TEST_F(Http2GuardTest, ADownloadEarnsItsWindowUpdates) {
  for (int i = 0; i < 100'000; ++i) {
    guard_.note_data(1);
    ASSERT_EQ(tell(frame(FrameType::kWindowUpdate, 0)), Verdict::kPass);
    ASSERT_EQ(tell(frame(FrameType::kWindowUpdate, 1)), Verdict::kPass);
  }
}

TEST_F(Http2GuardTest, LargeFramesEarnThoseOfTheFragmentsThatASmallWindowMakes) {
  for (int i = 0; i < 100'000; ++i) {
    guard_.note_data(16'375);  // and a fragment for which nothing is earned
    for (int update = 0; update < 4; ++update) {
      ASSERT_EQ(tell(frame(FrameType::kWindowUpdate, 1)), Verdict::kPass);
    }
  }
}

TEST_F(Http2GuardTest, AHeadOfManyContinuationsIsAFlood) {
  EXPECT_EQ(tell(frame(FrameType::kHeaders, 1, 1)), Verdict::kPass);
  EXPECT_TRUE(guard_.in_field_section());
  EXPECT_EQ(passing(frame(FrameType::kContinuation, 1, 0), 10'000), kContinuationsMax);
}

TEST_F(Http2GuardTest, AHeadOfManyBytesIsAFlood) {
  EXPECT_EQ(tell(frame(FrameType::kHeaders, 1, 16'384)), Verdict::kPass);
  EXPECT_EQ(passing(frame(FrameType::kContinuation, 1, 16'384), 10'000), kBlockMax / 16'384 - 1);
}

TEST_F(Http2GuardTest, AHeadInPiecesEnds) {
  EXPECT_EQ(tell(frame(FrameType::kHeaders, 1, 16'384)), Verdict::kPass);
  EXPECT_EQ(tell(frame(FrameType::kContinuation, 1, 10, kEndHeaders)), Verdict::kPass);
  EXPECT_FALSE(guard_.in_field_section());
}

TEST_F(Http2GuardTest, APriorityMustHaveAStreamAndNotDependOnItself) {
  FrameHeader priority = frame(FrameType::kPriority, 5, 5);
  priority.subject = 5;
  EXPECT_EQ(tell(priority), Verdict::kProtocolError);
  EXPECT_EQ(tell(frame(FrameType::kPriority, 0, 5)), Verdict::kProtocolError);
  EXPECT_EQ(tell(frame(FrameType::kPriority, 5, 5)), Verdict::kPass);
}

TEST_F(Http2GuardTest, APriorityUpdateIsOfAStream) {
  FrameHeader update = frame(FrameType::kPriorityUpdate, 0, 7);
  EXPECT_EQ(tell(update), Verdict::kProtocolError);
  update.subject = 1;
  EXPECT_EQ(tell(update), Verdict::kPass);
}

TEST_F(Http2GuardTest, FramesOnAClosedStreamAreAnError) {
  EXPECT_EQ(request(1), Verdict::kPass);
  for (const FrameType type : {FrameType::kData, FrameType::kHeaders}) {
    const FrameHeader late = frame(type, 1, 10, kEndHeaders);
    EXPECT_EQ(tell(late), Verdict::kAsk);
    EXPECT_EQ(guard_.on_closed(late, now_), Verdict::kStreamClosed);
  }
}

TEST_F(Http2GuardTest, WhatWasOnItsWayWhenWeResetIsIgnored) {
  EXPECT_EQ(request(1), Verdict::kPass);
  guard_.note_reset(1);
  EXPECT_EQ(guard_.on_closed(frame(FrameType::kData, 1, 16'384), now_), Verdict::kPass);
  EXPECT_EQ(guard_.on_closed(frame(FrameType::kHeaders, 1), now_), Verdict::kPass);
}

TEST_F(Http2GuardTest, ResettingIsNoLicenceForEndlessSmallFrames) {
  EXPECT_EQ(request(1), Verdict::kPass);
  guard_.note_reset(1);
  std::uint32_t count = 0;
  while (count < 10'000 &&
         guard_.on_closed(frame(FrameType::kData, 1, 1), now_) == Verdict::kPass) {
    ++count;
  }
  EXPECT_EQ(count, kIdleFramesBurst);
}

TEST_F(Http2GuardTest, AStreamOpenedOutOfOrderIsAnError) {
  EXPECT_EQ(request(1), Verdict::kPass);
  EXPECT_EQ(request(7), Verdict::kPass);
  EXPECT_EQ(request(5), Verdict::kAsk);
  EXPECT_EQ(guard_.on_closed(frame(FrameType::kHeaders, 5), now_), Verdict::kProtocolError);
  EXPECT_EQ(guard_.on_closed(frame(FrameType::kHeaders, 7), now_), Verdict::kStreamClosed);
  EXPECT_EQ(guard_.on_closed(frame(FrameType::kHeaders, 1), now_), Verdict::kStreamClosed);
}

TEST_F(Http2GuardTest, StreamsAboveTheLastGoawayAreIgnored) {
  EXPECT_EQ(request(1), Verdict::kPass);
  guard_.ignore_above(1);
  EXPECT_EQ(request(3), Verdict::kPass);
  EXPECT_EQ(guard_.on_closed(frame(FrameType::kData, 3), now_), Verdict::kPass);
  EXPECT_EQ(guard_.on_closed(frame(FrameType::kData, 1), now_), Verdict::kStreamClosed);
}

}  // namespace
}  // namespace usher::http::http2
