#include <gtest/gtest.h>

#include "proxy/http/forwarding.h"
#include "tests/unit/http/support/heads.h"

// What an HTTP/1 client gets, to the byte.
namespace usher::http {
namespace {

std::string written(std::string raw, const ResponseWriting& how = {},
                    Method method = Method::kGet) {
  const test::ParsedResponse parsed(std::move(raw), method);
  EXPECT_TRUE(parsed.complete()) << parsed.raw << name_of(parsed.reject());
  ByteQueue to;
  append_response_head(to, parsed.head, how);
  return std::string(text_of(to.view()));
}

TEST(ResponseWritingTest, a_length_is_said_once) {
  EXPECT_EQ(written("HTTP/1.1 200 Fine\r\nX: 1\r\nContent-Length: 5\r\ncontent-length: 05\r\n"
                    "Y: 2\r\n\r\n"),
            "HTTP/1.1 200 Fine\r\nX: 1\r\nY: 2\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(written("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

TEST(ResponseWritingTest, chunks_are_said_where_they_are_sent) {
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n";
  EXPECT_EQ(written(chunked, {.chunked = true}),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(written("HTTP/1.0 200 OK\r\n\r\n", {.chunked = true}),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(written(chunked, {.keep_alive = false, .version = Version::k10}),
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
}

TEST(ResponseWritingTest, connection_follows_the_client) {
  const std::string raw = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n";
  EXPECT_EQ(written(raw), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(written(raw, {.version = Version::k10}),
            "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(written(raw, {.keep_alive = false}),
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n");
}

TEST(ResponseWritingTest, without_content_the_length_of_the_other_answer_stays) {
  EXPECT_EQ(written("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", {}, Method::kHead),
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(written("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", {}, Method::kHead),
            "HTTP/1.1 200 OK\r\n\r\n");
  EXPECT_EQ(written("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: x\r\n\r\n"),
            "HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(written("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"),
            "HTTP/1.1 204 No Content\r\n\r\n");
}

TEST(ResponseWritingTest, hop_by_hop_fields_end_here) {
  EXPECT_EQ(written("HTTP/1.1 200 OK\r\nConnection: X-Hop, keep-alive\r\nKeep-Alive: 5\r\n"
                    "x-hop: 1\r\nProxy-Connection: x\r\nTrailer: X\r\nUpgrade: h2c\r\nTE: x\r\n"
                    "Proxy-Authenticate: x\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n"
                    "Content-Length: 1\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 1\r\n\r\n");
}

TEST(ResponseWritingTest, strict_transport_security_replaces_the_backends) {
  const std::string raw =
      "HTTP/1.1 200 OK\r\nstrict-transport-security: max-age=1\r\nContent-Length: 0\r\n\r\n";
  EXPECT_EQ(written(raw, {.hsts = "max-age=9"}),
            "HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=9\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(written(raw),
            "HTTP/1.1 200 OK\r\nstrict-transport-security: max-age=1\r\nContent-Length: 0\r\n\r\n");
}

TEST(ResponseWritingTest, informational_heads_say_nothing_of_connection_or_content) {
  EXPECT_EQ(written("HTTP/1.1 103 Early Hints\r\nLink: x\r\nContent-Length: 5\r\n\r\n",
                    {.keep_alive = false, .hsts = "max-age=9"}),
            "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
  EXPECT_EQ(written("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                    "Connection: upgrade\r\nX: 1\r\n\r\n",
                    {.keep_alive = false}),
            "HTTP/1.1 101 Switching Protocols\r\nX: 1\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\n\r\n");
}

TEST(ResponseWritingTest, a_missing_reason_is_filled_in) {
  EXPECT_EQ(written("HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n"),
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(written("HTTP/1.1 299\r\nContent-Length: 0\r\n\r\n"),
            "HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n");
}

TEST(ResponseWritingTest, goes_to_client_agrees_with_what_is_written) {
  const test::ParsedResponse parsed(
      "HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nContent-Length: 5\r\nX: 1\r\n\r\n");
  ASSERT_TRUE(parsed.complete());
  std::vector<Field> kept;
  for (const Field& field : parsed.head.fields) {
    if (goes_to_client(parsed.head, field)) {
      kept.push_back(field);
    }
  }
  EXPECT_EQ(test::text_of_fields(kept), "X: 1");
}

TEST(ResponseWritingTest, chunks) {  // RFC 9112 §7.1
  ByteQueue to;
  append_chunk_start(to, 0x1af);
  append_chunk_end(to);
  append_chunk_start(to, ~std::size_t{0});
  const Field trailers[] = {{FieldName::kOther, "X", "1"}, {FieldName::kOther, "Y", ""}};
  append_last_chunk(to, trailers);
  EXPECT_EQ(text_of(to.view()), "1af\r\n\r\nffffffffffffffff\r\n0\r\nX: 1\r\nY: \r\n\r\n");
}

TEST(OwnResponseTest, an_error_is_small_and_names_the_request) {
  ResponseHead head;
  std::string storage;
  std::string content;
  make_own_response({.status = 502, .request_id = "abc"}, head, storage, content);
  EXPECT_EQ(content, "502 Bad Gateway\nrequest abc\n");
  ByteQueue to;
  append_response_head(to, head, {});
  EXPECT_EQ(text_of(to.view()),
            "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Cache-Control: no-store\r\nX-Request-ID: abc\r\nContent-Length: 28\r\n\r\n");
}

TEST(OwnResponseTest, to_head_only_the_length_remains) {
  ResponseHead head;
  std::string storage;
  std::string content;
  make_own_response({.status = 404, .head_only = true}, head, storage, content);
  EXPECT_EQ(content, "");
  EXPECT_EQ(head.body.kind, Body::Kind::kNone);
  EXPECT_EQ(head.content_length, std::string_view("404 Not Found\n").size());
}

TEST(OwnResponseTest, some_statuses_say_what_to_do) {
  ResponseHead head;
  std::string storage;
  std::string content;
  make_own_response({.status = 308, .request_id = "abc", .location = "https://a/"}, head, storage,
                    content);
  EXPECT_NE(test::text_of_fields(head.fields).find("X-Request-ID: abc|Location: https://a/"),
            std::string::npos);
  make_own_response({.status = 503}, head, storage, content);
  EXPECT_NE(test::text_of_fields(head.fields).find("Retry-After: 1"), std::string::npos);
  make_own_response({.status = 405}, head, storage, content);
  EXPECT_NE(test::text_of_fields(head.fields).find("Allow: GET, HEAD"), std::string::npos);
}

TEST(OwnResponseTest, every_answer_of_the_proxy_has_a_phrase) {
  for (const unsigned status : {308U, 400U, 405U, 408U, 417U, 431U, 500U, 502U, 503U, 504U, 505U}) {
    EXPECT_FALSE(reason_phrase(status).empty()) << status;
  }
  EXPECT_TRUE(reason_phrase(299).empty());
}

}  // namespace
}  // namespace usher::http
