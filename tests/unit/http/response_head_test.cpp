#include <gtest/gtest.h>

#include "tests/unit/http/support/heads.h"

namespace usher::http {
namespace {

using test::ParsedResponse;
using Kind = Body::Kind;

TEST(ResponseHeadTest, a_plain_response_is_understood) {  // RFC 9112 §2.1
  const ParsedResponse parsed(
      "HTTP/1.1 200 OK\r\nDate: Mon, 27 Jul 2009 12:28:53 GMT\r\nServer: Apache\r\n"
      "Content-Length: 51\r\nContent-Type: text/plain\r\n\r\nHello");
  ASSERT_TRUE(parsed.complete());
  EXPECT_EQ(parsed.result.size, parsed.raw.size() - 5);
  EXPECT_EQ(parsed.head.status, 200U);
  EXPECT_EQ(parsed.head.reason, "OK");
  EXPECT_EQ(parsed.head.body.kind, Kind::kLength);
  EXPECT_EQ(parsed.head.body.length, 51U);
  EXPECT_EQ(parsed.head.content_length, 51U);
  EXPECT_TRUE(parsed.head.keep_alive);
  EXPECT_EQ(parsed.head.fields.size(), 4U);
}

struct Framing {
  Method method;
  std::string_view status_line;
  std::string_view fields;
  Kind kind;
  bool keep_alive;
};

TEST(ResponseHeadTest, framing_follows_method_status_and_fields) {  // RFC 9112 §6.3
  constexpr Framing kCases[] = {
      {Method::kGet, "HTTP/1.1 200 OK", "", Kind::kUntilClose, false},
      {Method::kGet, "HTTP/1.1 200 OK", "Connection: keep-alive\r\n", Kind::kUntilClose, false},
      {Method::kGet, "HTTP/1.1 200 OK", "Content-Length: 0\r\n", Kind::kNone, true},
      {Method::kGet, "HTTP/1.1 200 OK", "Content-Length: 5\r\nContent-Length: 5\r\n", Kind::kLength,
       true},
      {Method::kGet, "HTTP/1.1 200 OK", "Content-Length: 5, 5\r\n", Kind::kLength, true},
      {Method::kGet, "HTTP/1.1 200 OK", "Content-Length: 5\r\nConnection: close\r\n", Kind::kLength,
       false},
      {Method::kGet, "HTTP/1.1 200 OK", "Transfer-Encoding: Chunked\r\n", Kind::kChunked, true},
      {Method::kHead, "HTTP/1.1 200 OK", "Transfer-Encoding: chunked\r\n", Kind::kNone, true},
      {Method::kHead, "HTTP/1.1 200 OK", "Content-Length: 5\r\n", Kind::kNone, true},
      {Method::kHead, "HTTP/1.1 200 OK", "", Kind::kNone, true},
      {Method::kGet, "HTTP/1.1 204 No Content", "", Kind::kNone, true},
      {Method::kGet, "HTTP/1.1 204 No Content", "Content-Length: 0\r\n", Kind::kNone, true},
      {Method::kGet, "HTTP/1.1 204 No Content", "Content-Length: 5\r\n", Kind::kNone, false},
      {Method::kGet, "HTTP/1.1 204 No Content", "Transfer-Encoding: chunked\r\n", Kind::kNone,
       false},
      {Method::kGet, "HTTP/1.1 304 Not Modified", "Content-Length: 5\r\n", Kind::kNone, true},
      {Method::kGet, "HTTP/1.1 100 Continue", "", Kind::kNone, true},
      {Method::kGet, "HTTP/1.1 103 Early Hints", "Link: x\r\n", Kind::kNone, true},
      {Method::kGet, "HTTP/1.1 101 Switching Protocols", "Upgrade: websocket\r\n", Kind::kTunnel,
       false},
      {Method::kGet, "HTTP/1.0 200 OK", "Content-Length: 5\r\n", Kind::kLength, false},
      {Method::kGet, "HTTP/1.0 200 OK", "Content-Length: 5\r\nConnection: keep-alive\r\n",
       Kind::kLength, true},
      {Method::kPost, "HTTP/1.1 599", "Content-Length: 5\r\n", Kind::kLength, true},
      {Method::kPost, "HTTP/1.1 200 ", "Content-Length: 5\r\n", Kind::kLength, true},
  };
  for (const Framing& of : kCases) {
    const ParsedResponse parsed(
        std::string(of.status_line).append("\r\n").append(of.fields).append("\r\n"), of.method);
    ASSERT_TRUE(parsed.complete()) << parsed.raw;
    EXPECT_EQ(parsed.head.body.kind, of.kind) << parsed.raw;
    EXPECT_EQ(parsed.head.keep_alive, of.keep_alive) << parsed.raw;
  }
}

TEST(ResponseHeadTest, a_length_that_was_sent_is_kept_without_content_too) {
  EXPECT_EQ(ParsedResponse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Method::kHead)
                .head.content_length,
            5U);
  EXPECT_EQ(
      ParsedResponse("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n").head.content_length,
      5U);
  EXPECT_EQ(ParsedResponse("HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n").head.content_length,
            std::nullopt);
  EXPECT_EQ(ParsedResponse("HTTP/1.1 200 OK\r\n\r\n").head.content_length, std::nullopt);
}

TEST(ResponseHeadTest, what_a_client_could_misread_is_refused) {
  const std::pair<std::string, Reject> cases[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", Reject::kBadLength},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n", Reject::kBadLength},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5,\r\n\r\n", Reject::kBadLength},
      {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", Reject::kBadLength},
      {"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", Reject::kBadLength},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
       Reject::kBadLength},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", Reject::kBadCoding},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n", Reject::kBadCoding},
      {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Reject::kBadCoding},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
       Reject::kBadCoding},
      {"HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\n\r\n", Reject::kBadField},
      {"HTTP/1.1 200 OK\r\nX : 1\r\n\r\n", Reject::kBadField},
      {"HTTP/1.1 200 OK\r\nX: 1\n\r\n", Reject::kBadField},
      {"HTTP/1.1 200 OK\nX: 1\n\n", Reject::kBadRequestLine},
      {"\r\nHTTP/1.1 200 OK\r\n\r\n", Reject::kBadRequestLine},
      {"HTTP/1.1 99 x\r\n\r\n", Reject::kBadRequestLine},
      {"HTTP/1.1 099 x\r\n\r\n", Reject::kBadRequestLine},
      {"HTTP/1.1 600 x\r\n\r\n", Reject::kBadRequestLine},
      {"HTTP/1.1 2000 x\r\n\r\n", Reject::kBadRequestLine},
      {"HTTP/1.1 +20 x\r\n\r\n", Reject::kBadRequestLine},
      {"HTTP/1.1  200 x\r\n\r\n", Reject::kBadRequestLine},
      {"HTTP/1.1 200OK\r\n\r\n", Reject::kBadRequestLine},
      {"HTTP/1.1\r\n\r\n", Reject::kBadRequestLine},
      {"ICY 200 OK\r\n\r\n", Reject::kBadRequestLine},
      {"HTTP/2.0 200 OK\r\n\r\n", Reject::kBadVersion},
  };
  for (const auto& [raw, reject] : cases) {
    EXPECT_EQ(name_of(ParsedResponse(raw).reject()), name_of(reject)) << raw;
  }
}

TEST(ResponseHeadTest, limits_are_exact) {
  const std::string raw = "HTTP/1.1 200 OK\r\nX: 1\r\nY: 2\r\n\r\n";
  EXPECT_TRUE(ParsedResponse(raw, Method::kGet, {raw.size(), 2}).complete());
  EXPECT_EQ(ParsedResponse(raw, Method::kGet, {raw.size() - 1, 2}).reject(), Reject::kHeadTooLarge);
  EXPECT_EQ(ParsedResponse(raw, Method::kGet, {raw.size(), 1}).reject(), Reject::kTooManyFields);
}

TEST(ResponseHeadTest, bytes_that_come_one_by_one_make_the_same_head) {
  const std::string raw = "HTTP/1.1 200 OK\r\nX: 1\r\n\r\n";
  ResponseHead head;
  for (std::size_t there = 0; there <= raw.size(); ++there) {
    const auto result = parse_response_head(bytes_of(raw.substr(0, there)),
                                            there == 0 ? 0 : there - 1, {}, Method::kGet, head);
    EXPECT_EQ(result.status,
              there < raw.size() ? HeadResult::Status::kIncomplete : HeadResult::Status::kComplete);
  }
  EXPECT_EQ(head.fields.size(), 1U);
}

}  // namespace
}  // namespace usher::http
