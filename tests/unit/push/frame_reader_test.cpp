#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/unit/push/support/frames.h"

namespace usher::push {
namespace {

using namespace test;

std::string all_encoded() {
  std::string stream;
  for (const Frame& frame : every_frame()) {
    stream += text_of(encode(frame).bytes());
  }
  return stream;
}

// What the reader says to these bytes at once: the error, "more" or "a frame".
std::string verdict(std::string_view bytes) {
  FrameReader reader;
  feed(reader, bytes_of(bytes));
  const auto next = reader.next();
  return !next ? next.error().message : next->has_value() ? "a frame" : "more";
}

TEST(FrameReader, AnyPiecesGiveTheSameFrames) {
  const std::string stream = all_encoded();
  for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
    FrameReader reader;
    std::string again;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      feed(reader, bytes_of(std::string_view(stream).substr(at, piece)));
      for (;;) {
        const auto next = reader.next();
        ASSERT_TRUE(next) << next.error().message;
        if (!next->has_value()) {
          break;
        }
        again += text_of(encode(**next).bytes());
      }
    }
    ASSERT_EQ(again, stream) << "in pieces of " << piece;
  }
}

TEST(FrameReader, ThereIsAlwaysRoomForTheRest) {
  FrameReader reader;
  const SecretBuffer large = encode(ring(std::string(keyring::kRingBytesMax, 'r')));
  int frames = 0;
  for (int i = 0; i < 50; ++i) {  // many times the buffer, at every offset
    for (const std::byte byte : large.bytes()) {
      ASSERT_FALSE(reader.room().empty());
      feed(reader, {&byte, 1});
    }
    feed(reader, encode(Pull{}).bytes().first(i % 5));
    for (auto next = reader.next(); next && next->has_value(); next = reader.next()) {
      ++frames;
    }
    feed(reader, encode(Pull{}).bytes().subspan(i % 5));
    for (auto next = reader.next(); next && next->has_value(); next = reader.next()) {
      ++frames;
    }
  }
  EXPECT_EQ(frames, 100);
}

TEST(FrameReader, ForgetsWhatItHasGivenOut) {
  const std::string secret = "seventeen letters";
  FrameReader reader;
  feed(reader, encode(ring(secret)).bytes());
  feed(reader, encode(ring(secret)).bytes());
  const SecretBuffer third = encode(ring(secret));
  feed(reader, third.bytes().first(10));
  ASSERT_TRUE(reader.next()->has_value());
  ASSERT_TRUE(reader.next()->has_value());
  ASSERT_FALSE(reader.next()->has_value());
  const auto room = reader.room();  // everything behind the ten bytes
  EXPECT_EQ(room.size(), 4 + kFrameBytesMax - 10);
  EXPECT_TRUE(std::ranges::all_of(room, [](std::byte byte) { return byte == std::byte{}; }));

  feed(reader, third.bytes().subspan(10));
  const auto last = reader.next();
  ASSERT_TRUE(last && last->has_value());
  EXPECT_EQ(text_of(std::get<Ring>(**last).bytes.bytes()), secret);
  const auto empty = reader.room();
  EXPECT_EQ(empty.size(), 4 + kFrameBytesMax);
  EXPECT_TRUE(std::ranges::all_of(empty, [](std::byte byte) { return byte == std::byte{}; }));
}

TEST(FrameReader, LengthsAreHeldAtOnce) {
  EXPECT_EQ(verdict(std::string(4, '\0')), "a frame of 0 bytes; 1 to 8192 are allowed");
  EXPECT_EQ(verdict(std::string("\0\0\x20\x01", 4)),
            "a frame of 8193 bytes; 1 to 8192 are allowed");
  EXPECT_EQ(verdict("\xff\xff\xff\xff"), "a frame of 4294967295 bytes; 1 to 8192 are allowed");
  EXPECT_EQ(verdict("GET / HTTP/1.1"), "a frame of 1195725856 bytes; 1 to 8192 are allowed");
  EXPECT_EQ(verdict(std::string("\0\0\x20\x00", 4)), "more");
  EXPECT_EQ(verdict("\xff\xff\xff"), "more");
  EXPECT_EQ(verdict(""), "more");
}

TEST(FrameReader, UnknownTypesAreRefusedAtOnce) {
  for (const int type : {0, 9, 10, 127, 128, 255}) {
    EXPECT_EQ(verdict(raw_frame(20, type)), "a frame of the unknown type " + std::to_string(type));
  }
}

// Each type with one byte too few, too many: refused before the payload has come.
TEST(FrameReader, EveryTypeHasItsSize) {
  struct Case {
    int type;
    const char* name;
    std::uint32_t least;
    std::uint32_t most;
  };
  for (const Case& c : {Case{1, "HELLO", 13, 12 + 255}, Case{2, "RING", 1, keyring::kRingBytesMax},
                        Case{3, "APPLIED", 48, 48}, Case{4, "PULL", 0, 0}, Case{5, "PING", 8, 8},
                        Case{6, "PONG", 8, 8}, Case{7, "BYE", 0, 0}, Case{8, "REFUSED", 0, 255}}) {
    EXPECT_EQ(verdict(raw_frame(1 + c.most + 1, c.type)),
              std::string(c.name) + " with a payload of " + std::to_string(c.most + 1) + " bytes");
    if (c.least > 0) {
      EXPECT_EQ(verdict(raw_frame(c.least, c.type)), std::string(c.name) + " with a payload of " +
                                                         std::to_string(c.least - 1) + " bytes");
      EXPECT_EQ(verdict(raw_frame(1 + c.least, c.type)), "more") << c.name;
    }
    const std::string least(c.least, 'x');
    EXPECT_EQ(verdict(raw_frame(1 + c.least, c.type, least)), "a frame") << c.name;
    const std::string most(c.most, 'x');
    EXPECT_EQ(verdict(raw_frame(1 + c.most, c.type, most)), "a frame") << c.name;
  }
}

TEST(FrameReader, TextIsHeldToItsLetters) {
  const std::string fixed(12, '\0');
  for (const std::string& node :
       {std::string("a b"), std::string("a\nb"), std::string("\x80"), std::string("a\0", 2)}) {
    EXPECT_EQ(verdict(raw_frame(1 + 12 + static_cast<std::uint32_t>(node.size()), 1, fixed + node)),
              "HELLO: the node's name must be printable ASCII without spaces");
  }
  EXPECT_EQ(verdict(raw_frame(4, 8, "a\x1b[")), "REFUSED: the reason must be printable ASCII");
  EXPECT_EQ(verdict(raw_frame(4, 8, "a b")), "a frame");
}

TEST(FrameReader, ErrorsNeverShowBytes) {
  const std::string secret = "SECRETSECRET";
  for (const std::string& bytes : {secret, raw_frame(60, 3, secret), raw_frame(30, 200, secret),
                                   raw_frame(13, 8, "SECRETSECRE\x01")}) {
    EXPECT_EQ(verdict(bytes).find("SECRET"), std::string::npos) << verdict(bytes);
  }
}

}  // namespace
}  // namespace usher::push
