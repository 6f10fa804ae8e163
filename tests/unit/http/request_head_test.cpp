#include <gtest/gtest.h>

#include "tests/unit/http/support/heads.h"

namespace usher::http {
namespace {

using test::ParsedRequest;

std::string get_with(std::string_view fields) {
  return std::string("GET / HTTP/1.1\r\nHost: a\r\n").append(fields).append("\r\n");
}

TEST(RequestHeadTest, a_plain_request_is_understood) {  // RFC 9112 §2.1
  const ParsedRequest parsed(
      "GET /hello.txt HTTP/1.1\r\nUser-Agent: curl/7.64.1\r\nHost: www.example.com\r\n"
      "Accept-Language: en, mi\r\n\r\n");
  ASSERT_TRUE(parsed.complete());
  EXPECT_EQ(parsed.result.size, parsed.raw.size());
  EXPECT_EQ(parsed.head.method, Method::kGet);
  EXPECT_EQ(parsed.head.method_text, "GET");
  EXPECT_EQ(parsed.head.version, Version::k11);
  EXPECT_EQ(parsed.head.target, "/hello.txt");
  EXPECT_EQ(parsed.head.authority, "www.example.com");
  EXPECT_TRUE(parsed.head.keep_alive);
  EXPECT_EQ(test::text_of_fields(parsed.head.fields),
            "User-Agent: curl/7.64.1|Accept-Language: en, mi");
}

TEST(RequestHeadTest, every_method_has_its_name_and_others_go_as_they_are) {
  const std::pair<std::string, Method> methods[] = {
      {"GET", Method::kGet},     {"HEAD", Method::kHead},     {"POST", Method::kPost},
      {"PUT", Method::kPut},     {"DELETE", Method::kDelete}, {"OPTIONS", Method::kOptions},
      {"PATCH", Method::kPatch}, {"get", Method::kOther},     {"PROPFIND", Method::kOther},
  };
  for (const auto& [text, method] : methods) {
    const ParsedRequest parsed(text + " / HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_TRUE(parsed.complete()) << text;
    EXPECT_EQ(parsed.head.method, method) << text;
    EXPECT_EQ(parsed.head.method_text, text);
  }
}

TEST(RequestHeadTest, keep_alive_follows_version_and_connection) {
  const std::pair<std::string, bool> heads[] = {
      {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", false},
      {"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", false},
      {"GET / HTTP/1.0\r\n\r\n", false},
      {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
      {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
      {"GET / HTTP/1.0\r\nProxy-Connection: keep-alive\r\n\r\n", false},
  };
  for (const auto& [raw, keep_alive] : heads) {
    const ParsedRequest parsed(raw);
    ASSERT_TRUE(parsed.complete()) << raw;
    EXPECT_EQ(parsed.head.keep_alive, keep_alive) << raw;
  }
}

TEST(RequestHeadTest, more_connection_options_than_anyone_needs_are_refused) {
  std::string options = "Connection: ";
  for (int i = 0; i < 32; ++i) {
    options += "x,";
  }
  EXPECT_TRUE(ParsedRequest(get_with(options + "\r\n")).complete());
  EXPECT_EQ(ParsedRequest(get_with(options + "x\r\n")).reject(), Reject::kBadField);
  EXPECT_EQ(ParsedRequest(get_with("Connection: a b\r\n")).reject(), Reject::kBadField);
}

TEST(RequestHeadTest, upgrade_needs_connection_and_a_request_without_content) {
  const std::pair<std::string, std::string> heads[] = {
      {get_with("Connection: Upgrade\r\nUpgrade: websocket\r\n"), "websocket"},
      {get_with("Connection: keep-alive, upgrade\r\nUpgrade: a/1, b\r\n"), "a/1, b"},
      {get_with("Upgrade: websocket\r\n"), ""},
      {get_with("Connection: upgrade\r\n"), ""},
      {get_with("Connection: upgrade\r\nUpgrade: a\r\nUpgrade: b\r\n"), ""},
      {get_with("Connection: upgrade\r\nUpgrade: a b\r\n"), ""},
      {get_with("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n"), ""},
      {get_with("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n"),
       ""},
      {get_with("Connection: upgrade\r\nUpgrade: websocket, H2C\r\n"), ""},
      {get_with("Connection: upgrade\r\nUpgrade: TLS/1.2\r\n"), ""},
      {get_with("Connection: upgrade\r\nUpgrade: HTTP/2.0\r\n"), ""},
      {"GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", ""},
  };
  for (const auto& [raw, upgrade] : heads) {
    const ParsedRequest parsed(raw);
    ASSERT_TRUE(parsed.complete()) << raw;
    EXPECT_EQ(parsed.head.upgrade, upgrade) << raw;
  }
}

TEST(RequestHeadTest, expectation_and_trailers) {
  const ParsedRequest both(
      "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nTE: deflate, Trailers\r\n"
      "Content-Length: 3\r\n\r\n");
  ASSERT_TRUE(both.complete());
  EXPECT_TRUE(both.head.expects_continue);
  EXPECT_TRUE(both.head.te_trailers);
  const ParsedRequest no_content(get_with("Expect: 100-continue\r\nTE: deflate\r\n"));
  ASSERT_TRUE(no_content.complete());
  EXPECT_FALSE(no_content.head.expects_continue);
  EXPECT_FALSE(no_content.head.te_trailers);
  const ParsedRequest old("PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  ASSERT_TRUE(old.complete());
  EXPECT_FALSE(old.head.expects_continue);
}

TEST(RequestHeadTest, the_limit_of_bytes_is_exact) {
  const std::string raw = get_with("X: 123\r\n");
  EXPECT_TRUE(ParsedRequest(raw, {raw.size(), 100}).complete());
  EXPECT_TRUE(ParsedRequest(raw + "more", {raw.size(), 100}).complete());
  EXPECT_EQ(ParsedRequest(raw, {raw.size() - 1, 100}).reject(), Reject::kHeadTooLarge);
  EXPECT_EQ(test::parse_request_bytewise(raw, {raw.size() - 1, 100}).reject, Reject::kHeadTooLarge);
  EXPECT_EQ(test::parse_request_bytewise(raw, {raw.size(), 100}).status,
            HeadResult::Status::kComplete);
}

TEST(RequestHeadTest, the_limit_of_fields_is_exact) {
  EXPECT_TRUE(ParsedRequest(get_with("X: 1\r\nY: 2\r\n"), {1000, 3}).complete());
  EXPECT_EQ(ParsedRequest(get_with("X: 1\r\nY: 2\r\n"), {1000, 2}).reject(),
            Reject::kTooManyFields);
}

TEST(RequestHeadTest, a_bad_byte_is_refused_before_the_head_is_whole) {
  EXPECT_EQ(ParsedRequest("GET / HTTP/1.1\r\nX: \x01").reject(), Reject::kBadField);
  EXPECT_EQ(ParsedRequest("\x16\x03\x01\x02").reject(), Reject::kBadRequestLine);
}

TEST(RequestHeadTest, a_prefix_is_incomplete) {
  const std::string raw = get_with("X: 1\r\n");
  for (std::size_t size = 0; size < raw.size(); ++size) {
    EXPECT_EQ(ParsedRequest(raw.substr(0, size)).result.status, HeadResult::Status::kIncomplete);
  }
}

TEST(RequestHeadTest, memory_is_used_again_but_nothing_else) {
  RequestHead head;
  const std::string first =
      "PUT http://b/x HTTP/1.1\r\nHost: b\r\nExpect: 100-continue\r\nTE: trailers\r\n"
      "Connection: close\r\nContent-Length: 7\r\n\r\n";
  const std::string second = "GET / HTTP/1.0\r\n\r\n";
  EXPECT_EQ(parse_request_head(bytes_of(first), 0, {}, head).size, first.size());
  EXPECT_EQ(parse_request_head(bytes_of(second), 0, {}, head).size, second.size());
  EXPECT_TRUE(head.fields.empty());
  EXPECT_EQ(head.authority, "");
  EXPECT_EQ(head.target, "/");
  EXPECT_EQ(head.body.kind, Body::Kind::kNone);
  EXPECT_EQ(head.body.length, 0U);
  EXPECT_FALSE(head.expects_continue);
  EXPECT_FALSE(head.te_trailers);
}

// What an HTTP/2 stream hands in (RFC 9113 §8.3.1).
RequestHead http2_head(std::string_view authority, Body::Kind kind, std::vector<Field> fields) {
  RequestHead head;
  head.version = Version::k2;
  head.method_text = "POST";
  head.target = "/";
  head.authority = authority;
  head.body.kind = kind;
  head.fields = std::move(fields);
  for (Field& field : head.fields) {
    field.id = field_name_of(field.name);
  }
  return head;
}

TEST(RequestHeadTest, http2_takes_the_authority_or_host) {
  using enum Body::Kind;
  RequestHead one = http2_head("a", kNone, {});
  EXPECT_EQ(check_request(one), Reject::kNone);
  RequestHead host = http2_head("", kNone, {{{}, "host", "a"}, {{}, "x", "1"}});
  EXPECT_EQ(check_request(host), Reject::kNone);
  EXPECT_EQ(host.authority, "a");
  EXPECT_EQ(test::text_of_fields(host.fields), "x: 1");
  RequestHead both = http2_head("a", kNone, {{{}, "host", "A:443"}});
  EXPECT_EQ(check_request(both), Reject::kNone);
  RequestHead none = http2_head("", kNone, {});
  EXPECT_EQ(check_request(none), Reject::kBadAuthority);
  RequestHead other = http2_head("a", kNone, {{{}, "host", "b"}});
  EXPECT_EQ(check_request(other), Reject::kBadAuthority);
  RequestHead target = http2_head("a", kNone, {});
  target.target = "http://a/";
  EXPECT_EQ(check_request(target), Reject::kBadTarget);
}

TEST(RequestHeadTest, http2_content_follows_from_its_end_and_length) {
  using enum Body::Kind;
  struct {
    Body::Kind kind;
    std::string_view length;
    Reject reject;
    Body::Kind expected;
  } const cases[] = {
      {kChunked, "5", Reject::kNone, kLength},
      {kChunked, "0", Reject::kNone, kNone},
      {kNone, "0", Reject::kNone, kNone},
      {kNone, "5", Reject::kBadLength, kNone},
  };
  for (const auto& of : cases) {
    RequestHead head = http2_head("a", of.kind, {{{}, "content-length", of.length}});
    EXPECT_EQ(check_request(head), of.reject);
    EXPECT_EQ(head.body.kind, of.expected);
  }
  RequestHead without = http2_head("a", kChunked, {});
  EXPECT_EQ(check_request(without), Reject::kNone);
  EXPECT_EQ(without.body.kind, kChunked);
  RequestHead coding = http2_head("a", kChunked, {{{}, "transfer-encoding", "chunked"}});
  EXPECT_EQ(check_request(coding), Reject::kBadCoding);
}

}  // namespace
}  // namespace usher::http
