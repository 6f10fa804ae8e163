#include "proxy/http/syntax.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

#include "proxy/http/message.h"
#include "proxy/http/reject.h"
#include "proxy/http/strict_scan.h"

namespace usher::http {
namespace {

using namespace std::literals;

TEST(SyntaxTest, token) {  // RFC 9110 §5.6.2
  EXPECT_TRUE(is_token("!#$%&'*+-.^_`|~09azAZ"));
  for (const std::string_view text : {""sv, "a b"sv, "a:"sv, "(a)"sv, "a\x80"sv, "a\0"sv, "{"sv}) {
    EXPECT_FALSE(is_token(text)) << text;
  }
}

TEST(SyntaxTest, field_value) {  // RFC 9110 §5.5
  for (const std::string_view text : {""sv, "a"sv, "a\tb c"sv, "\x80\xff"sv}) {
    EXPECT_TRUE(is_field_value(text)) << text;
  }
  for (const std::string_view text : {" a"sv, "a\t"sv, "\r"sv, "a\nb"sv, "a\0b"sv, "\x7f"sv}) {
    EXPECT_FALSE(is_field_value(text)) << text;
  }
}

TEST(SyntaxTest, target) {
  EXPECT_TRUE(is_target("/a?b=\"<>[]\\^`{|}%"));
  for (const std::string_view text : {""sv, "/#"sv, "/ "sv, "/\x80"sv, "/\x7f"sv, "/\0"sv}) {
    EXPECT_FALSE(is_target(text)) << text;
  }
}

TEST(SyntaxTest, dot_segments_in_every_disguise) {
  for (const std::string_view path :
       {"/.", "/..", "/./", "/../", "/a/..", "/a/../b", "/a/./b", "/%2e", "/%2E%2e/", "/.%2e/x",
        "/a%2f..", "/a/..%2Fb", "/a\\..\\b", "/a%5c..%5Cb", "/..;/a", "/.;x=1/a", "/..;a=.b;c",
        ".."}) {
    EXPECT_TRUE(has_dot_segment(path)) << path;
  }
  for (const std::string_view path :
       {"",       "/",     "*",        "//",   "/a.b",           "/.a",
        "/..a",   "/a..",  "/a../",    "/...", "/.well-known/x", "/%2ea",
        "/%2",    "/%",    "/%25%32e", "/;.",  "/a;..",          "/;../x",
        "/a.;b/", "/%41/b"}) {
    EXPECT_FALSE(has_dot_segment(path)) << path;
  }
}

TEST(SyntaxTest, authority) {
  const std::string longest(255, 'a');
  for (const std::string_view text :
       {"a"sv, "A-b_c~.example."sv, "192.0.2.1"sv, "a:1"sv, "a:65535"sv, "a:00080"sv, "[::1]"sv,
        "[::ffff:192.0.2.1]:443"sv, std::string_view(longest)}) {
    EXPECT_TRUE(is_authority(text)) << text;
  }
  const std::string too_long(256, 'a');
  for (const std::string_view text : {""sv,
                                      ":80"sv,
                                      "a:"sv,
                                      "a:0"sv,
                                      "a:000080"sv,
                                      "a:65536"sv,
                                      "a:+1"sv,
                                      "a:b"sv,
                                      "a:1:2"sv,
                                      "u@a"sv,
                                      "a b"sv,
                                      "a,b"sv,
                                      "a/b"sv,
                                      "a?b"sv,
                                      "a;b"sv,
                                      "%61"sv,
                                      ".a"sv,
                                      "a..b"sv,
                                      "[]"sv,
                                      "["sv,
                                      "]"sv,
                                      "[::1"sv,
                                      "::1"sv,
                                      "[::1]x"sv,
                                      "[::1]:"sv,
                                      "[::1%eth0]"sv,
                                      "[v1.a]"sv,
                                      "[192.0.2.1]"sv,
                                      "[::1\0]"sv,
                                      "\xc3\xa4"sv,
                                      std::string_view(too_long)}) {
    EXPECT_FALSE(is_authority(text)) << text;
  }
}

TEST(SyntaxTest, same_authority_knows_the_default_port) {
  EXPECT_TRUE(same_authority("A", "a", "80"));
  EXPECT_TRUE(same_authority("a:80", "a", "80"));
  EXPECT_TRUE(same_authority("a", "a:80", "80"));
  EXPECT_TRUE(same_authority("[::1]:80", "[::1]", "80"));
  EXPECT_FALSE(same_authority("a:80", "a", "443"));
  EXPECT_FALSE(same_authority("a:81", "a:82", "80"));
  EXPECT_FALSE(same_authority("a", "b", "80"));
}

TEST(SyntaxTest, list_elements) {  // RFC 9110 §5.6.1
  std::vector<std::string_view> elements;
  ListReader reader(" a,b ,, \t,c d,");
  for (std::string_view element; reader.next(element);) {
    elements.push_back(element);
  }
  EXPECT_EQ(elements, (std::vector{"a"sv, "b"sv, "c d"sv}));
}

TEST(FieldNameTest, every_known_name_in_any_case) {
  using enum FieldName;
  const std::pair<std::string_view, FieldName> names[] = {
      {"host", kHost},
      {"content-length", kContentLength},
      {"transfer-encoding", kTransferEncoding},
      {"expect", kExpect},
      {"cookie", kCookie},
      {"connection", kConnection},
      {"keep-alive", kKeepAlive},
      {"proxy-connection", kProxyConnection},
      {"te", kTe},
      {"trailer", kTrailer},
      {"upgrade", kUpgrade},
      {"http2-settings", kHttp2Settings},
      {"proxy-authenticate", kProxyAuthenticate},
      {"proxy-authorization", kProxyAuthorization},
      {"forwarded", kForwarded},
      {"x-forwarded-for", kXForwardedFor},
      {"x-forwarded-proto", kXForwardedProto},
      {"x-forwarded-host", kXForwardedHost},
      {"x-forwarded-port", kXForwardedPort},
      {"x-request-id", kXRequestId},
      {"x-tls-version", kXTls},
      {"x-tls-", kXTls},
      {"x-tls-client-fingerprint", kXTls},
      {"strict-transport-security", kStrictTransportSecurity},
  };
  for (const auto& [name, id] : names) {
    std::string upper(name);
    std::string confusable(name);
    for (char& c : upper) {
      c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    std::replace(confusable.begin(), confusable.end(), '-', '_');
    EXPECT_EQ(field_name_of(name), id) << name;
    EXPECT_EQ(field_name_of(upper), id) << upper;
    EXPECT_EQ(field_name_of(confusable), confusable == name ? id : kConfusable) << confusable;
    for (std::size_t i = 0; i < name.size(); ++i) {  // no neighbour is taken for it
      std::string other(name);
      other[i] = '.';
      const bool tls_suffix = name.starts_with("x-tls-") && i >= 6;
      EXPECT_EQ(field_name_of(other), tls_suffix ? kXTls : kOther) << other;
    }
  }
  for (const std::string_view name : {"x"sv, "hosts"sv, "x-tls"sv, "x_tls"sv, "user_agent"sv}) {
    EXPECT_EQ(field_name_of(name), kOther) << name;
  }
  EXPECT_EQ(field_name_of("X-TLS-Client_Subject"), kConfusable);
}

TEST(MessageTest, idempotent_methods) {  // RFC 9110 §9.2.2
  for (const Method method : {Method::kGet, Method::kHead, Method::kPut, Method::kDelete,
                              Method::kOptions, Method::kTrace}) {
    EXPECT_TRUE(is_idempotent(method));
  }
  for (const Method method : {Method::kPost, Method::kPatch, Method::kConnect, Method::kOther}) {
    EXPECT_FALSE(is_idempotent(method));
  }
}

TEST(RejectTest, every_reason_has_a_name_and_a_status) {
  std::vector<std::string_view> names;
  for (std::size_t i = 1; i < kRejects; ++i) {
    const auto reject = static_cast<Reject>(i);
    EXPECT_EQ(std::count(names.begin(), names.end(), name_of(reject)), 0) << name_of(reject);
    EXPECT_NE(name_of(reject), "none");
    names.push_back(name_of(reject));
    EXPECT_GE(status_of(reject), 400U);
  }
  EXPECT_EQ(status_of(Reject::kBadField), 400U);
  EXPECT_EQ(status_of(Reject::kBadMethod), 405U);
  EXPECT_EQ(status_of(Reject::kHeadTimeout), 408U);
  EXPECT_EQ(status_of(Reject::kBadExpect), 417U);
  EXPECT_EQ(status_of(Reject::kHeadTooLarge), 431U);
  EXPECT_EQ(status_of(Reject::kTooManyFields), 431U);
  EXPECT_EQ(status_of(Reject::kBadVersion), 505U);
}

// The scan looks at eight bytes at once: every byte, at every place of a word.
TEST(StrictScanTest, every_control_byte_is_found_wherever_it_stands) {
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool bad = (byte < 0x20 && byte != '\t') || byte == 0x7f;
    for (std::size_t at = 0; at < 24; ++at) {
      for (const char other : {'a', '\x80', '\xff', ' ', '!', '\x7e'}) {
        std::string text(24, other);
        text[at] = static_cast<char>(byte);
        text += "\r\n\r\n";
        const SectionEnd end = find_section_end(text, 0, 0);
        ASSERT_EQ(end.status, bad ? SectionEnd::Status::kBadByte : SectionEnd::Status::kFound)
            << byte << " at " << at;
        ASSERT_EQ(end.at, bad ? at : text.size()) << byte << " at " << at;
      }
    }
  }
}

}  // namespace
}  // namespace usher::http
