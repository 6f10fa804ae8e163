// One direction's bookkeeping on a socket pair whose other end the test reads as it likes.
#include "proxy/relay/flow.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <string>

#include "proxy/uv/loop.h"

namespace usher::relay {
namespace {

class FlowTest : public testing::Test {
 protected:
  FlowTest() {
    int ends[2];
    CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    CHECK(sink_.adopt<&FlowTest::on_ready>(loop_, UniqueFd(ends[0]), *this));
    reader_.reset(ends[1]);
  }
  ~FlowTest() override { sink_.close(); }
  void on_ready(uv::Ready) {}

  std::size_t read_some() {
    std::string block(64 * 1024, '\0');
    const ssize_t count = ::recv(reader_.value(), block.data(), block.size(), 0);
    return count < 0 ? 0 : static_cast<std::size_t>(count);
  }
  std::size_t fill() {  // until something waits
    std::size_t sent = 0;
    while (!flow_.waiting()) {
      flow_.send(sink_, bytes_of(block_));
      sent += block_.size();
    }
    return sent;
  }

  uv::Loop loop_;
  uv::Stream sink_;
  UniqueFd reader_;
  Flow flow_;
  const std::string block_ = std::string(50'000, 'f');
};

TEST_F(FlowTest, WhatTheSinkTakesIsNotKept) {
  EXPECT_EQ(flow_.send(sink_, bytes_of("abc")).count, 3U);
  EXPECT_FALSE(flow_.waiting());
  EXPECT_EQ(flow_.room(), 2 * Flow::kBytesMax);
}

TEST_F(FlowTest, StopsAboveTheLimitAndGoesOnBelowHalf) {
  fill();
  while (flow_.room() > 0) {
    EXPECT_GE(flow_.room(), Flow::kBytesMax);  // never a few bytes
    flow_.send(sink_, bytes_of(block_));
  }
  EXPECT_GT(flow_.waiting_bytes(), Flow::kBytesMax);
  EXPECT_LE(flow_.waiting_bytes(), 2 * Flow::kBytesMax);
  while (flow_.room() == 0) {
    EXPECT_GE(flow_.waiting_bytes(), Flow::kBytesMax / 2);
    ASSERT_GT(read_some(), 0U);
    flow_.flush(sink_);
  }
  EXPECT_LT(flow_.waiting_bytes(), Flow::kBytesMax / 2);
}

TEST_F(FlowTest, TheEndComesAfterTheLastByte) {
  const std::size_t sent = fill();
  flow_.end();
  EXPECT_FALSE(flow_.at_end());
  EXPECT_EQ(flow_.room(), 0U);
  std::size_t got = 0;
  while (!flow_.at_end()) {
    got += read_some();
    flow_.flush(sink_);
  }
  while (const std::size_t more = read_some()) {
    got += more;
  }
  EXPECT_EQ(got, sent);
}

TEST_F(FlowTest, ABrokenFlowKeepsNothingAndReadsOn) {
  fill();
  reader_.reset();
  EXPECT_EQ(flow_.flush(sink_).status, uv::IoStatus::kFailed);
  EXPECT_TRUE(flow_.broken());
  EXPECT_FALSE(flow_.waiting());
  flow_.send(sink_, bytes_of("dropped"));
  flow_.queue(bytes_of("dropped"));
  EXPECT_FALSE(flow_.waiting());
  EXPECT_GT(flow_.room(), 0U);
}

}  // namespace
}  // namespace usher::relay
