// Frame headers are found wherever the bytes are cut.
#include "proxy/http/http2_frames.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace usher::http::http2 {
namespace {

const std::string kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

std::string frame(FrameType type, std::uint8_t flags, std::uint32_t stream,
                  const std::string& payload) {
  std::string bytes;
  const auto put = [&bytes](std::uint64_t value, int size) {
    for (int shift = 8 * (size - 1); shift >= 0; shift -= 8) {
      bytes.push_back(static_cast<char>(value >> shift & 0xff));
    }
  };
  put(payload.size(), 3);
  put(static_cast<std::uint8_t>(type), 1);
  put(flags, 1);
  put(stream, 4);
  return bytes + payload;
}

std::vector<FrameHeader> frames_in(const std::string& bytes, std::size_t piece) {
  FrameReader reader;
  std::vector<FrameHeader> found;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    std::string_view rest = std::string_view(bytes).substr(at, piece);
    while (!rest.empty()) {
      const FrameReader::Step step = reader.next(bytes_of(rest));
      EXPECT_LE(step.of_header, step.taken);
      EXPECT_LE(step.taken, rest.size());
      rest.remove_prefix(step.taken);
      if (step.frame != nullptr) {
        found.push_back(*step.frame);
      }
    }
  }
  return found;
}

TEST(Http2FramesTest, FindsFramesInPiecesOfAnySize) {
  const std::string bytes = kPreface + frame(FrameType::kSettings, 0, 0, "") +
                            frame(FrameType::kHeaders, 5, 1, std::string(300, 'h')) +
                            frame(FrameType::kPriority, 0, 0x80000003, {"\x80\0\0\x05\x10", 5}) +
                            frame(FrameType::kPriority, 0, 3, "abc") +
                            frame(FrameType::kPriorityUpdate, 0, 0, {"\0\0\0\x09u=1", 7}) +
                            frame(static_cast<FrameType>(0xfb), 9, 7, "unknown") +
                            frame(FrameType::kData, 1, 1, std::string(70'000, 'd'));
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{24}, bytes.size()}) {
    const std::vector<FrameHeader> found = frames_in(bytes, piece);
    ASSERT_EQ(found.size(), 7U) << piece;
    EXPECT_EQ(found[0].type, FrameType::kSettings);
    EXPECT_EQ(found[1].length, 300U);
    EXPECT_EQ(found[1].flags, kEndStream | kEndHeaders);
    EXPECT_EQ(found[2].stream, 3U);  // without the reserved bit
    EXPECT_EQ(found[2].subject, 5U);
    EXPECT_EQ(found[3].subject, 0U);
    EXPECT_EQ(found[4].subject, 9U);
    EXPECT_EQ(static_cast<int>(found[5].type), 0xfb);
    EXPECT_EQ(found[5].subject, 0U);
    EXPECT_EQ(found[6].length, 70'000U);
  }
}

TEST(Http2FramesTest, KnowsThatAHeadIsNotComplete) {
  FrameReader reader;
  const std::string bytes = kPreface + frame(FrameType::kHeaders, 4, 1, "abcd");
  EXPECT_FALSE(reader.inside_headers());
  ASSERT_NE(reader.next(bytes_of(bytes.substr(0, bytes.size() - 1))).frame, nullptr);
  EXPECT_TRUE(reader.inside_headers());
  reader.next(bytes_of("abcd"));
  EXPECT_FALSE(reader.inside_headers());
}

}  // namespace
}  // namespace usher::http::http2
