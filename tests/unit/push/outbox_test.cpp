#include "proxy/push/outbox.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/push/support/frames.h"

namespace usher::push {
namespace {

using namespace test;

// Everything that would be sent, taken `piece` bytes at a time.
std::string drained(Outbox& box, std::size_t piece) {
  std::string all;
  while (!box.empty()) {
    const ByteView front = box.front();
    const std::size_t count = std::min(piece, front.size());
    all += text_of(front.first(count));
    box.sent(count);
  }
  return hex(bytes_of(all));
}

TEST(Outbox, GivesFramesInOrderInAnyPieces) {
  for (const std::size_t piece : {1, 3, 100000}) {
    Outbox box;
    std::string all;
    for (const Frame& frame : every_frame()) {
      box.push(frame);
      all += hex_of(frame);
    }
    EXPECT_EQ(box.size(), all.size() / 2);
    EXPECT_EQ(drained(box, piece), all);
    EXPECT_EQ(box.size(), 0U);
  }
}

TEST(Outbox, OnlyTheNewestUnsentRingWaits) {
  Outbox box;
  box.push(Ping{1});
  box.push(ring("first, the longest"));
  box.push(Ping{2});
  box.push(ring("second"));
  box.push(ring("third"));
  EXPECT_EQ(box.size(), 13 + 10 + 13);
  EXPECT_EQ(drained(box, 1000), hex_of(Ping{1}) + hex_of(ring("third")) + hex_of(Ping{2}));
}

TEST(Outbox, ARingThatHasBegunIsSentWhole) {
  Outbox box;
  box.push(ring("first"));
  box.front();  // OpenSSL may hold a part of it already
  box.push(ring("second"));
  box.push(ring("third"));
  EXPECT_EQ(drained(box, 2), hex_of(ring("first")) + hex_of(ring("third")));
}

TEST(Outbox, ClearingLeavesNothing) {
  Outbox box;
  box.push(Ping{1});
  box.push(ring("first"));
  box.clear();
  EXPECT_TRUE(box.empty());
  EXPECT_EQ(box.size(), 0U);
}

}  // namespace
}  // namespace usher::push
