#include <gtest/gtest.h>

#include "proxy/http/forwarding.h"
#include "tests/unit/http/support/heads.h"

// What a backend gets, to the byte.
namespace usher::http {
namespace {

using config::Forwarded;

ClientFacts off() {
  ClientFacts facts;
  facts.address = "192.0.2.1";
  facts.port = 443;
  facts.forwarded = Forwarded::kOff;
  return facts;
}

ClientFacts with(Forwarded forwarded, bool trusted = false) {
  ClientFacts facts = off();
  facts.forwarded = forwarded;
  facts.trusted = trusted;
  return facts;
}

std::string written(std::string raw, const ClientFacts& facts) {
  const test::ParsedRequest parsed(std::move(raw));
  EXPECT_TRUE(parsed.complete()) << parsed.raw << name_of(parsed.reject());
  ByteQueue to;
  append_request_head(to, parsed.head, facts);
  return std::string(text_of(to.view()));
}

std::string written_get(std::string_view fields, const ClientFacts& facts) {
  return written(std::string("GET / HTTP/1.1\r\nHost: a\r\n").append(fields).append("\r\n"), facts);
}

std::string expected_get(std::string_view fields) {
  return std::string("GET / HTTP/1.1\r\nHost: a\r\n").append(fields).append("\r\n");
}

TEST(RequestWritingTest, fields_keep_their_order_and_spelling) {
  EXPECT_EQ(
      written("gET /x?y HTTP/1.1\r\nAccept:  */* \r\nHOST: A\r\nx-A: 1\r\nX-A: 2\r\n\r\n", off()),
      "gET /x?y HTTP/1.1\r\nHost: A\r\nAccept: */*\r\nx-A: 1\r\nX-A: 2\r\n\r\n");
}

TEST(RequestWritingTest, absolute_form_becomes_origin_form) {
  EXPECT_EQ(written("GET http://a:80/x HTTP/1.1\r\nHost: a\r\n\r\n", off()),
            "GET /x HTTP/1.1\r\nHost: a:80\r\n\r\n");
  EXPECT_EQ(written("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n", off()),
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
}

TEST(RequestWritingTest, http10_becomes_http11) {
  EXPECT_EQ(written("GET / HTTP/1.0\r\n\r\n", off()), "GET / HTTP/1.1\r\nHost: \r\n\r\n");
  ClientFacts named = off();
  named.host = "site.example";
  EXPECT_EQ(written("GET / HTTP/1.0\r\n\r\n", named),
            "GET / HTTP/1.1\r\nHost: site.example\r\n\r\n");
  EXPECT_EQ(written("GET / HTTP/1.0\r\nHost: a\r\n\r\n", named),
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(written("GET / HTTP/1.0\r\nHost: a\r\nConnection: close\r\n\r\n", off()),
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
}

TEST(RequestWritingTest, hop_by_hop_fields_end_here) {  // RFC 9110 §7.6.1
  EXPECT_EQ(written_get("Connection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\n"
                        "Proxy-Connection: keep-alive\r\nX-HOP: 1\r\nTE: deflate\r\nTrailer: X\r\n"
                        "Upgrade: websocket\r\nHTTP2-Settings: x\r\nProxy-Authorization: x\r\n"
                        "Proxy-Authenticate: x\r\nX-Kept: 1\r\n",
                        off()),
            expected_get("X-Kept: 1\r\n"));
}

TEST(RequestWritingTest, connection_cannot_name_what_the_proxy_writes) {
  const std::string raw =
      "POST / HTTP/1.1\r\nHost: a\r\n"
      "Connection: Host, Content-Length, X-Forwarded-For, X-Request-ID, Cookie\r\n"
      "Content-Length: 5\r\nCookie: a=b\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n";
  ClientFacts facts = with(Forwarded::kX, true);
  facts.request_id = "id";
  EXPECT_EQ(written(raw, facts),
            "POST / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.0.0.1, 192.0.2.1\r\n"
            "X-Forwarded-Proto: https\r\nX-Forwarded-Host: a\r\nX-Forwarded-Port: 443\r\n"
            "X-Request-ID: id\r\nContent-Length: 5\r\n\r\n");
}

TEST(RequestWritingTest, framing_is_the_proxys_own) {
  EXPECT_EQ(written("PUT / HTTP/1.1\r\nHost: a\r\ncontent-length: 0005\r\n\r\n", off()),
            "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(written("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n", off()),
            "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(written("POST / HTTP/1.1\r\nHost: a\r\n\r\n", off()),
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(written("DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", off()),
            "DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(written("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", off()),
            "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n");
}

TEST(RequestWritingTest, expect_upgrade_and_te_are_said_anew) {
  EXPECT_EQ(
      written("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n",
              off()),
      "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(written_get("connection: keep-alive, upgrade\r\nupgrade: websocket\r\n"
                        "Sec-WebSocket-Key: x\r\n",
                        off()),
            expected_get("Sec-WebSocket-Key: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"));
  EXPECT_EQ(written_get("TE: trailers\r\nConnection: TE\r\n", off()),
            expected_get("Connection: TE\r\nTE: trailers\r\n"));
  EXPECT_EQ(written_get("TE: trailers\r\nUpgrade: x\r\nConnection: TE, Upgrade\r\n", off()),
            expected_get("Upgrade: x\r\nConnection: Upgrade, TE\r\nTE: trailers\r\n"));
}

TEST(RequestWritingTest, cookie_crumbs_are_one_cookie) {  // RFC 9113 §8.2.3
  EXPECT_EQ(written_get("Cookie: a=b\r\nX: 1\r\ncookie: c=d\r\nCookie: e=f\r\n", off()),
            expected_get("Cookie: a=b; c=d; e=f\r\nX: 1\r\n"));
}

constexpr std::string_view kClaims =
    "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.2\r\nX-Forwarded-Proto: http\r\n"
    "X-Forwarded-Host: b\r\nX-Forwarded-Port: 80\r\nForwarded: for=10.0.0.1\r\n"
    "X-TLS-Version: TLSv9\r\nX-Request-ID: x\r\nX_Forwarded_For: 10.0.0.3\r\n"
    "X-Forwarded_Proto: http\r\nX_TLS_Client_Subject: CN=root\r\nX_Request_ID: y\r\n"
    "Content_Length: 7\r\n";

TEST(RequestWritingTest, a_strangers_claims_are_dropped_whatever_is_written) {
  const std::string x =
      "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a\r\n"
      "X-Forwarded-Port: 443\r\n";
  const std::string rfc7239 = "Forwarded: for=192.0.2.1;proto=https;host=a\r\n";
  EXPECT_EQ(written_get(kClaims, with(Forwarded::kOff)), expected_get(""));
  EXPECT_EQ(written_get(kClaims, with(Forwarded::kX)), expected_get(x));
  EXPECT_EQ(written_get(kClaims, with(Forwarded::kRfc7239)), expected_get(rfc7239));
  EXPECT_EQ(written_get(kClaims, with(Forwarded::kBoth)), expected_get(x + rfc7239));
}

TEST(RequestWritingTest, a_trusted_clients_claims_are_kept_and_added_to) {
  const std::string sent_x =
      "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.2\r\nX-Forwarded-Proto: http\r\n"
      "X-Forwarded-Host: b\r\nX-Forwarded-Port: 80\r\n";
  const std::string x =
      "X-Forwarded-For: 10.0.0.1, 10.0.0.2, 192.0.2.1\r\nX-Forwarded-Proto: http\r\n"
      "X-Forwarded-Host: b\r\nX-Forwarded-Port: 80\r\n";
  const std::string sent_rfc7239 = "Forwarded: for=10.0.0.1\r\n";
  const std::string rfc7239 = "Forwarded: for=10.0.0.1, for=192.0.2.1;proto=https;host=a\r\n";
  const std::string tls = "X-TLS-Version: TLSv9\r\n";
  EXPECT_EQ(written_get(kClaims, with(Forwarded::kOff, true)),
            expected_get(sent_x + sent_rfc7239 + tls));
  EXPECT_EQ(written_get(kClaims, with(Forwarded::kX, true)), expected_get(sent_rfc7239 + tls + x));
  EXPECT_EQ(written_get(kClaims, with(Forwarded::kRfc7239, true)),
            expected_get(sent_x + tls + rfc7239));
  EXPECT_EQ(written_get(kClaims, with(Forwarded::kBoth, true)), expected_get(tls + x + rfc7239));
}

TEST(RequestWritingTest, forwarded_quotes_what_is_no_token) {  // RFC 7239 §4, §6
  ClientFacts facts = with(Forwarded::kRfc7239);
  facts.address = "2001:db8::1";
  facts.tls = false;
  EXPECT_EQ(written("GET / HTTP/1.1\r\nHost: a:81\r\n\r\n", facts),
            "GET / HTTP/1.1\r\nHost: a:81\r\n"
            "Forwarded: for=\"[2001:db8::1]\";proto=http;host=\"a:81\"\r\n\r\n");
  facts.address = "";
  EXPECT_EQ(written("GET / HTTP/1.0\r\n\r\n", facts),
            "GET / HTTP/1.1\r\nHost: \r\nForwarded: for=unknown;proto=http\r\n\r\n");
}

TEST(RequestWritingTest, x_forwarded_names_ipv6_without_brackets) {
  ClientFacts facts = with(Forwarded::kX);
  facts.address = "2001:db8::1";
  EXPECT_EQ(written("GET / HTTP/1.0\r\n\r\n", facts),
            "GET / HTTP/1.1\r\nHost: \r\nX-Forwarded-For: 2001:db8::1\r\n"
            "X-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n\r\n");
}

TEST(RequestWritingTest, tls_facts_replace_every_claim) {
  ClientFacts facts = off();
  facts.trusted = true;
  facts.tls_headers = true;
  facts.tls_version = "TLSv1.3";
  facts.cipher = "TLS_AES_128_GCM_SHA256";
  facts.client_verify = "NONE";
  EXPECT_EQ(written_get("X-TLS-Version: x\r\nX-TLS-Anything: y\r\n", facts),
            expected_get("X-TLS-Version: TLSv1.3\r\nX-TLS-Cipher: TLS_AES_128_GCM_SHA256\r\n"
                         "X-TLS-Resumed: 0\r\nX-TLS-Client-Verify: NONE\r\n"));
  facts.resumed = true;
  facts.client_subject = "CN=a\r\nX: b\x7f";
  facts.client_fingerprint = "00ff";
  facts.client_verify = "SUCCESS";
  EXPECT_EQ(written_get("", facts),
            expected_get("X-TLS-Version: TLSv1.3\r\nX-TLS-Cipher: TLS_AES_128_GCM_SHA256\r\n"
                         "X-TLS-Resumed: 1\r\nX-TLS-Client-Subject: CN=a??X: b?\r\n"
                         "X-TLS-Client-Fingerprint: 00ff\r\nX-TLS-Client-Verify: SUCCESS\r\n"));
}

TEST(RequestWritingTest, heads_are_appended_to_what_is_there) {
  const test::ParsedRequest parsed("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  ByteQueue to;
  to.append(bytes_of("before"));
  ClientFacts facts = off();
  const std::string id(2000, 'x');  // more than was expected
  facts.request_id = id;
  append_request_head(to, parsed.head, facts);
  EXPECT_EQ(text_of(to.view()), "before" + expected_get("X-Request-ID: " + id + "\r\n"));
}

TEST(RequestWritingTest, a_clean_request_id_is_kept) {
  const std::string longest(128, 'a');
  const std::string too_long(129, 'a');
  const std::pair<std::string, std::string_view> cases[] = {
      {"X-Request-ID: Az09._~+/=-\r\n", "Az09._~+/=-"},
      {"X-Request-ID: " + longest + "\r\n", longest},
      {"X-Request-ID: " + too_long + "\r\n", ""},
      {"X-Request-ID: a b\r\n", ""},
      {"X-Request-ID: a\"b\r\n", ""},
      {"X-Request-ID: a,b\r\n", ""},
      {"X-Request-ID:\r\n", ""},
      {"X-Request-ID: a\r\nX-Request-ID: b\r\n", ""},
      {"X_Request_ID: a\r\n", ""},
      {"", ""},
  };
  for (const auto& [fields, id] : cases) {
    const test::ParsedRequest parsed("GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n");
    ASSERT_TRUE(parsed.complete());
    EXPECT_EQ(request_id_of(parsed.head), id) << fields;
  }
}

}  // namespace
}  // namespace usher::http
