#include "proxy/http/body_decoder.h"

#include <gtest/gtest.h>

#include "tests/unit/http/support/heads.h"

namespace usher::http {
namespace {

using Status = BodyDecoder::Status;

struct Decoded {
  std::string content;
  std::string trailers;
  std::size_t taken = 0;
  Status last = Status::kMore;
  bool may_end = false;
};

// Everything that `bytes` hold, handed in in pieces of `piece`.
Decoded decode(const Body& body, std::string_view bytes, std::size_t piece) {
  BodyDecoder decoder;
  decoder.begin(body);
  Decoded decoded;
  for (std::size_t start = 0; start < bytes.size() || start == 0; start += piece) {
    const std::string part(bytes.substr(start, piece));
    ByteView rest = bytes_of(part);
    do {
      const BodyDecoder::Step step = decoder.decode(rest);
      decoded.last = step.status;
      decoded.taken += step.taken;
      decoded.content += text_of(step.content);
      rest = rest.subspan(step.taken);
    } while (decoded.last == Status::kContent);
    if (decoded.last != Status::kMore) {
      break;
    }
    EXPECT_TRUE(rest.empty());
  }
  decoded.trailers = test::text_of_fields(decoder.trailers());
  decoded.may_end = decoder.may_end_here();
  EXPECT_EQ(decoder.ended(), decoded.last == Status::kEnd);
  return decoded;
}

constexpr Body kChunked{Body::Kind::kChunked, 0};
constexpr std::size_t kPieces[] = {1, 2, 3, 7, 1'000'000};

void expect_content(std::string_view raw, std::string_view content,
                    std::string_view trailers = {}) {
  for (const std::size_t piece : kPieces) {
    const Decoded decoded = decode(kChunked, std::string(raw) + "NEXT", piece);
    EXPECT_EQ(decoded.last, Status::kEnd) << raw;
    EXPECT_EQ(decoded.content, content) << raw;
    EXPECT_EQ(decoded.trailers, trailers) << raw;
    EXPECT_EQ(decoded.taken, raw.size()) << raw;
  }
}

void expect_broken(std::string_view raw) {
  for (const std::size_t piece : kPieces) {
    const Decoded decoded = decode(kChunked, raw, piece);
    EXPECT_EQ(decoded.last, Status::kBroken) << raw << " in pieces of " << piece;
    EXPECT_EQ(decoded.trailers, "") << raw;
    EXPECT_FALSE(decoded.may_end) << raw;
  }
}

TEST(BodyDecoderTest, no_content_is_at_its_end) {
  BodyDecoder decoder;
  decoder.begin({});
  EXPECT_TRUE(decoder.ended());
  EXPECT_TRUE(decoder.may_end_here());
  EXPECT_EQ(decoder.decode(bytes_of("GET")).status, Status::kEnd);
  EXPECT_EQ(decoder.decode(bytes_of("GET")).taken, 0U);
}

TEST(BodyDecoderTest, a_length_is_kept_to_the_byte) {
  for (const std::size_t piece : kPieces) {
    const Decoded whole = decode({Body::Kind::kLength, 5}, "helloNEXT", piece);
    EXPECT_EQ(whole.last, Status::kEnd);
    EXPECT_EQ(whole.content, "hello");
    EXPECT_EQ(whole.taken, 5U);
    const Decoded cut = decode({Body::Kind::kLength, 5}, "hell", piece);
    EXPECT_EQ(cut.last, Status::kMore);
    EXPECT_FALSE(cut.may_end);
  }
}

TEST(BodyDecoderTest, until_close_ends_anywhere) {
  for (const auto kind : {Body::Kind::kUntilClose, Body::Kind::kTunnel}) {
    const Decoded decoded = decode({kind, 0}, "0\r\n\r\n", 2);
    EXPECT_EQ(decoded.content, "0\r\n\r\n");
    EXPECT_EQ(decoded.last, Status::kMore);
    EXPECT_TRUE(decoded.may_end);
  }
}

TEST(BodyDecoderTest, chunks_are_joined) {  // RFC 9112 §7.1
  expect_content("0\r\n\r\n", "");
  expect_content("5\r\nhello\r\n0\r\n\r\n", "hello");
  expect_content("5\r\nhello\r\n7\r\n, world\r\n000\r\n\r\n", "hello, world");
  expect_content("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789");
  expect_content("0000000000000005\r\n\r\n\r\nx\r\n0\r\n\r\n", "\r\n\r\nx");
}

TEST(BodyDecoderTest, extensions_are_dropped_within_bounds) {
  expect_content("5;a=b\r\nhello\r\n0;c=\"d\";e\r\n\r\n", "hello");
  const std::string longest = "5;" + std::string(252, 'x') + "\r\n";  // 256 bytes
  expect_content(longest + "hello\r\n0\r\n\r\n", "hello");
  expect_broken("5;" + std::string(253, 'x') + "\r\nhello\r\n0\r\n\r\n");
}

TEST(BodyDecoderTest, trailers_come_last) {
  expect_content("0\r\nX-Sum: 1\r\nGrpc-Status:0 \r\n\r\n", "", "X-Sum: 1|Grpc-Status: 0");
}

TEST(BodyDecoderTest, trailers_that_frame_route_or_authenticate_are_dropped) {
  expect_content(
      "0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nHost: b\r\nConnection: close\r\n"
      "Authorization: x\r\nSet-Cookie: x\r\nCookie: x\r\nContent-Type: x\r\nX-Forwarded-For: x\r\n"
      "X_Forwarded_For: x\r\nX-TLS-Version: x\r\nX-Request-Id: x\r\nCache-Control: x\r\n"
      "Trailer: x\r\nTE: x\r\nX-Kept: 1\r\n\r\n",
      "", "X-Kept: 1");
}

TEST(BodyDecoderTest, trailers_are_bounded) {
  std::string fields = "0\r\n";
  for (int i = 0; i < 32; ++i) {
    fields += "X: 1\r\n";
  }
  const Decoded most = decode(kChunked, fields + "\r\n", 1'000'000);
  EXPECT_EQ(most.last, Status::kEnd);
  expect_broken(fields + "X: 1\r\n\r\n");

  const std::string longest = "X: " + std::string(8192 - 7, 'x') + "\r\n\r\n";  // 8192 bytes
  EXPECT_EQ(decode(kChunked, "0\r\n" + longest, 1).last, Status::kEnd);
  EXPECT_EQ(decode(kChunked, "0\r\n" + longest, 1'000'000).last, Status::kEnd);
  expect_broken("0\r\nX" + longest);
}

TEST(BodyDecoderTest, what_others_could_read_differently_is_broken) {
  const std::string_view cases[] = {
      "\r\n",  // no size
      ";a\r\n",
      "g\r\n",
      "0x5\r\nhello\r\n0\r\n\r\n",
      "+5\r\nhello\r\n0\r\n\r\n",
      "-5\r\nhello\r\n0\r\n\r\n",
      " 5\r\nhello\r\n0\r\n\r\n",
      "5 \r\nhello\r\n0\r\n\r\n",
      "5 ;a\r\nhello\r\n0\r\n\r\n",
      "5\t\r\nhello\r\n0\r\n\r\n",
      "5\nhello\r\n0\r\n\r\n",  // bare LF
      "5\r\nhello\n0\r\n\r\n",
      "5\r\nhello\r\n0\n\r\n",
      "5\r\nhello\r\n0\r\n\n",
      "5\rX\nhello\r\n0\r\n\r\n",  // bare CR
      "5\r\r\nhello\r\n0\r\n\r\n",
      "5;a\rb\r\nhello\r\n0\r\n\r\n",
      "5;a\nb\r\nhello\r\n0\r\n\r\n",
      "5\r\nhello!\r\n0\r\n\r\n",  // more than the size says
      "5\r\nhell\r\n0\r\n\r\n",    // less
      "5\r\nhello0\r\n\r\n",
      "10000000000000000\r\nx\r\n",  // 17 digits
      "00000000000000005\r\nhello\r\n",
      "0\r\n X: 1\r\n\r\n",  // obs-fold and its like in trailers
      "0\r\nX: 1\r\n 2\r\n\r\n",
      "0\r\nX : 1\r\n\r\n",
      "0\r\nX\r\n\r\n",
      "0\r\nX: 1\n\r\n",
      "0\r\nX: \x01\r\n\r\n",
      "0\r\nGET / HTTP/1.1\r\n\r\n",
  };
  for (const std::string_view raw : cases) {
    expect_broken(raw);
  }
  using namespace std::literals;
  expect_broken("5;\0\r\nhello\r\n0\r\n\r\n"sv);
  expect_broken("0\r\nX: \0\r\n\r\n"sv);
}

TEST(BodyDecoderTest, a_cut_message_may_not_end) {
  const std::string_view raw = "5\r\nhello\r\n0\r\nX: 1\r\n\r\n";
  for (std::size_t size = 1; size < raw.size(); ++size) {
    const Decoded decoded = decode(kChunked, raw.substr(0, size), 1'000'000);
    EXPECT_EQ(decoded.last, Status::kMore) << size;
    EXPECT_FALSE(decoded.may_end) << size;
  }
}

TEST(BodyDecoderTest, the_largest_chunk_is_counted_right) {
  const Decoded decoded = decode(kChunked, "ffffffffffffffff\r\nxyz", 1'000'000);
  EXPECT_EQ(decoded.last, Status::kMore);
  EXPECT_EQ(decoded.content, "xyz");
}

TEST(BodyDecoderTest, it_begins_anew) {
  BodyDecoder decoder;
  decoder.begin(kChunked);
  EXPECT_EQ(decoder.decode(bytes_of("x")).status, Status::kMore);
  EXPECT_EQ(decoder.decode(bytes_of("\r\n")).status, Status::kBroken);
  EXPECT_EQ(decoder.decode(bytes_of("0\r\n\r\n")).status, Status::kBroken);
  decoder.begin(kChunked);
  EXPECT_EQ(decoder.decode(bytes_of("0\r\nX: 1\r\n\r\n")).status, Status::kEnd);
  EXPECT_EQ(decoder.trailers().size(), 1U);
  decoder.begin({});
  EXPECT_TRUE(decoder.trailers().empty());
}

}  // namespace
}  // namespace usher::http
