#include <gtest/gtest.h>

#include <set>

#include "tests/unit/http/support/heads.h"

// What two servers in a row could read differently is refused, each for the reason that is counted
// and logged, whether it comes at once or byte by byte.
namespace usher::http {
namespace {

using namespace std::literals;

struct Case {
  std::string_view name;
  std::string_view raw;
  Reject reject;
};

constexpr Case kRefused[] = {
    // Lengths (RFC 9112 §6.3)
    {"two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
     Reject::kBadLength},
    {"same length twice",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\ncontent-length: 5\r\n\r\n",
     Reject::kBadLength},
    {"list of lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n",
     Reject::kBadLength},
    {"list of other lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5,6\r\n\r\n",
     Reject::kBadLength},
    {"plus", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", Reject::kBadLength},
    {"minus", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", Reject::kBadLength},
    {"hex length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n", Reject::kBadLength},
    {"letters", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5a\r\n\r\n", Reject::kBadLength},
    {"space inside", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 0\r\n\r\n",
     Reject::kBadLength},
    {"empty length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", Reject::kBadLength},
    {"quoted length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \"5\"\r\n\r\n",
     Reject::kBadLength},
    {"length of 2^64", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n",
     Reject::kBadLength},
    {"length of 2^64 + 5",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551621\r\n\r\n",
     Reject::kBadLength},
    {"length of many zeros",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 00000000000000000005\r\n\r\n",
     Reject::kBadLength},
    {"fraction", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5.0\r\n\r\n", Reject::kBadLength},
    {"non-ASCII digit", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \xc2\xb2\r\n\r\n",
     Reject::kBadLength},
    {"CL.TE",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: "
     "chunked\r\n\r\n0\r\n\r\nG",
     Reject::kBadLength},
    {"TE.CL",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n8\r\n",
     Reject::kBadLength},
    {"length 0 beside chunked",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
     Reject::kBadLength},
    {"GET with two lengths",
     "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n",
     Reject::kBadLength},
    // Codings (RFC 9112 §6.1, §7)
    {"xchunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
     Reject::kBadCoding},
    {"gzip", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", Reject::kBadCoding},
    {"gzip, chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
     Reject::kBadCoding},
    {"chunked, gzip", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
     Reject::kBadCoding},
    {"chunked, chunked",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
     Reject::kBadCoding},
    {"chunked twice",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
     "chunked\r\n\r\n",
     Reject::kBadCoding},
    {"chunked then x",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-encoding: x\r\n\r\n",
     Reject::kBadCoding},
    {"identity", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
     Reject::kBadCoding},
    {"cow", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: cow\r\n\r\n",
     Reject::kBadCoding},
    {"empty coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n",
     Reject::kBadCoding},
    {"coding with comma", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ,chunked\r\n\r\n",
     Reject::kBadCoding},
    {"coding with parameter",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;q=1\r\n\r\n", Reject::kBadCoding},
    {"quoted coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n",
     Reject::kBadCoding},
    {"vertical tab before the coding",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0b"
     "chunked\r\n\r\n",
     Reject::kBadField},
    {"non-breaking space before the coding",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \xa0"
     "chunked\r\n\r\n",
     Reject::kBadCoding},
    {"coding in 1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
     Reject::kBadCoding},
    // Field lines (RFC 9112 §5)
    {"space before the colon", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n",
     Reject::kBadField},
    {"tab before the colon", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length\t: 5\r\n\r\n",
     Reject::kBadField},
    {"obs-fold", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n",
     Reject::kBadField},
    {"obs-fold with tab",
     "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n\tTransfer-Encoding: chunked\r\n\r\n",
     Reject::kBadField},
    {"space before the first field", "GET / HTTP/1.1\r\n Host: a\r\nX: 1\r\n\r\n",
     Reject::kBadField},
    {"no colon", "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\r\n\r\n", Reject::kBadField},
    {"no name", "GET / HTTP/1.1\r\nHost: a\r\n: chunked\r\n\r\n", Reject::kBadField},
    {"bare LF behind a field", "GET / HTTP/1.1\r\nHost: a\nTransfer-Encoding: chunked\r\n\r\n",
     Reject::kBadField},
    {"bare LF in front of a field", "GET / HTTP/1.1\r\nHost: a\r\n\nX: 1\r\n\r\n",
     Reject::kBadField},
    {"bare LFs only", "GET / HTTP/1.1\nHost: a\n\n", Reject::kBadRequestLine},
    {"bare CR in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: 1\rContent-Length: 5\r\n\r\n",
     Reject::kBadField},
    {"bare CR in a name", "GET / HTTP/1.1\r\nHost: a\r\nX\r: 1\r\n\r\n", Reject::kBadField},
    {"CR CR LF", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", Reject::kBadField},
    {"CR at the end of the head", "GET / HTTP/1.1\r\nHost: a\r\n\rX\r\n\r\n", Reject::kBadField},
    {"NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: 1\0002\r\n\r\n"sv, Reject::kBadField},
    {"NUL in a name", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length\0: 5\r\n\r\n"sv,
     Reject::kBadField},
    {"NUL in the request line", "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"sv, Reject::kBadRequestLine},
    {"ESC in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: \x1b[0m\r\n\r\n", Reject::kBadField},
    {"DEL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n", Reject::kBadField},
    {"name with a slash", "GET / HTTP/1.1\r\nHost: a\r\nX/Y: 1\r\n\r\n", Reject::kBadField},
    {"name with a quote", "GET / HTTP/1.1\r\nHost: a\r\n\"X\": 1\r\n\r\n", Reject::kBadField},
    {"name beyond ASCII", "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\xa0: x\r\n\r\n",
     Reject::kBadField},
    {"name with brackets", "GET / HTTP/1.1\r\nHost: a\r\n(X): 1\r\n\r\n", Reject::kBadField},
    {"BOM in front", "\xef\xbb\xbfGET / HTTP/1.1\r\nHost: a\r\n\r\n", Reject::kBadRequestLine},
    // The request line (RFC 9112 §3)
    {"two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", Reject::kBadRequestLine},
    {"space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", Reject::kBadRequestLine},
    {"space behind the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", Reject::kBadRequestLine},
    {"space in front", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", Reject::kBadRequestLine},
    {"tab for a space", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", Reject::kBadRequestLine},
    {"two empty lines", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Reject::kBadRequestLine},
    {"no method", "/ HTTP/1.1\r\nHost: a\r\n\r\n", Reject::kBadRequestLine},
    {"method with a colon", "GET: / HTTP/1.1\r\nHost: a\r\n\r\n", Reject::kBadRequestLine},
    {"HTTP/0.9", "GET /\r\n\r\n", Reject::kBadRequestLine},
    {"no version", "GET / \r\nHost: a\r\n\r\n", Reject::kBadRequestLine},
    {"small http", "GET / http/1.1\r\nHost: a\r\n\r\n", Reject::kBadRequestLine},
    {"HTTP/1.10", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", Reject::kBadRequestLine},
    {"HTTP/01.1", "GET / HTTP/01.1\r\nHost: a\r\n\r\n", Reject::kBadRequestLine},
    {"HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", Reject::kBadVersion},
    {"HTTP/2.0", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Reject::kBadVersion},
    {"CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", Reject::kBadMethod},
    {"TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", Reject::kBadMethod},
    // Targets (RFC 9112 §3.2)
    {"relative target", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", Reject::kBadTarget},
    {"* without OPTIONS", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", Reject::kBadTarget},
    {"fragment", "GET /#x HTTP/1.1\r\nHost: a\r\n\r\n", Reject::kBadTarget},
    {"UTF-8 in the target", "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", Reject::kBadTarget},
    {"another scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", Reject::kBadTarget},
    {"scheme without slashes", "GET http:a HTTP/1.1\r\nHost: a\r\n\r\n", Reject::kBadTarget},
    {"absolute query without path", "GET http://a?x HTTP/1.1\r\nHost: a\r\n\r\n",
     Reject::kBadTarget},
    // Authority (RFC 9110 §7.2)
    {"no Host", "GET / HTTP/1.1\r\nX: 1\r\n\r\n", Reject::kBadAuthority},
    {"no Host, absolute", "GET http://a/ HTTP/1.1\r\nX: 1\r\n\r\n", Reject::kBadAuthority},
    {"two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", Reject::kBadAuthority},
    {"one Host twice", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", Reject::kBadAuthority},
    {"two Hosts in 1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", Reject::kBadAuthority},
    {"absolute against Host", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", Reject::kBadAuthority},
    {"absolute port against Host", "GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n",
     Reject::kBadAuthority},
    {"the other scheme's port", "GET https://a:80/ HTTP/1.1\r\nHost: a\r\n\r\n",
     Reject::kBadAuthority},
    {"userinfo in the target", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
     Reject::kBadAuthority},
    {"empty authority in the target", "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n",
     Reject::kBadAuthority},
    {"userinfo in Host", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", Reject::kBadAuthority},
    {"empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", Reject::kBadAuthority},
    {"empty Host in 1.0", "GET / HTTP/1.0\r\nHost: \r\n\r\n", Reject::kBadAuthority},
    {"Host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", Reject::kBadAuthority},
    {"list in Host", "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", Reject::kBadAuthority},
    {"path in Host", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", Reject::kBadAuthority},
    {"port of letters", "GET / HTTP/1.1\r\nHost: a:http\r\n\r\n", Reject::kBadAuthority},
    {"port too large", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", Reject::kBadAuthority},
    {"port 0", "GET / HTTP/1.1\r\nHost: a:0\r\n\r\n", Reject::kBadAuthority},
    {"empty port", "GET / HTTP/1.1\r\nHost: a:\r\n\r\n", Reject::kBadAuthority},
    {"two ports", "GET / HTTP/1.1\r\nHost: a:80:81\r\n\r\n", Reject::kBadAuthority},
    {"IPv6 without brackets", "GET / HTTP/1.1\r\nHost: ::1\r\n\r\n", Reject::kBadAuthority},
    {"IPv6 with a name in it", "GET / HTTP/1.1\r\nHost: [a]\r\n\r\n", Reject::kBadAuthority},
    {"open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", Reject::kBadAuthority},
    {"text behind brackets", "GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n", Reject::kBadAuthority},
    {"dots in Host", "GET / HTTP/1.1\r\nHost: a..b\r\n\r\n", Reject::kBadAuthority},
    {"percent in Host", "GET / HTTP/1.1\r\nHost: %61\r\n\r\n", Reject::kBadAuthority},
    // Expect (RFC 9110 §10.1.1)
    {"unknown Expect", "GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n", Reject::kBadExpect},
    {"Expect with more", "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue, x\r\n\r\n",
     Reject::kBadExpect},
};

TEST(SmugglingTest, every_ambiguity_is_refused_with_its_reason) {
  for (const Case& of : kRefused) {
    test::ParsedRequest parsed{std::string(of.raw)};
    EXPECT_EQ(parsed.result.status, HeadResult::Status::kRefused) << of.name;
    EXPECT_EQ(name_of(parsed.reject()), name_of(of.reject)) << of.name;
  }
}

TEST(SmugglingTest, cut_into_bytes_it_is_the_same) {
  for (const Case& of : kRefused) {
    const HeadResult result = test::parse_request_bytewise(of.raw);
    EXPECT_EQ(result.status, HeadResult::Status::kRefused) << of.name;
    EXPECT_EQ(name_of(result.reject), name_of(of.reject)) << of.name;
  }
}

TEST(SmugglingTest, no_case_stands_there_twice) {
  std::set<std::string_view> names;
  std::set<std::string_view> raw;
  for (const Case& of : kRefused) {
    EXPECT_TRUE(names.insert(of.name).second) << of.name;
    EXPECT_TRUE(raw.insert(of.raw).second) << of.name;
  }
}

struct Meaning {
  std::string_view raw;
  std::string_view target;
  std::string_view authority;
  Body::Kind body;
  std::uint64_t length;
  std::string_view fields;
};

// What looks odd but says one thing only.
constexpr Meaning kTaken[] = {
    {"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "/", "a", Body::Kind::kNone, 0, ""},
    {"GET / HTTP/1.1\r\nhost:a\r\n\r\n", "/", "a", Body::Kind::kNone, 0, ""},
    {"GET / HTTP/1.1\r\nHost: \t a \t \r\n\r\n", "/", "a", Body::Kind::kNone, 0, ""},
    {"GET / HTTP/1.1\r\nX:\r\nHost: a\r\nY: \t\r\n\r\n", "/", "a", Body::Kind::kNone, 0, "X: |Y: "},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: a\tb\x80\xff\r\n\r\n", "/", "a", Body::Kind::kNone, 0,
     "X: a\tb\x80\xff"},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n", "/", "a",
     Body::Kind::kChunked, 0, "Transfer-Encoding: Chunked"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0005\r\n\r\n", "/", "a", Body::Kind::kLength, 5,
     "Content-Length: 0005"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "/", "a", Body::Kind::kNone, 0,
     "Content-Length: 0"},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999999999999\r\n\r\n", "/", "a",
     Body::Kind::kLength, 9'999'999'999'999'999'999U, "Content-Length: 9999999999999999999"},
    {"POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\n", "/", "", Body::Kind::kLength, 5,
     "Content-Length: 5"},
    {"GET http://A:80/x?y HTTP/1.1\r\nHost: a\r\n\r\n", "/x?y", "A:80", Body::Kind::kNone, 0, ""},
    {"GET HTTPS://a HTTP/1.1\r\nHost: A:443\r\n\r\n", "/", "a", Body::Kind::kNone, 0, ""},
    {"GET http://a/ HTTP/1.0\r\n\r\n", "/", "a", Body::Kind::kNone, 0, ""},
    {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "*", "a", Body::Kind::kNone, 0, ""},
    {"OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n", "*", "a", Body::Kind::kNone, 0, ""},
    {"GET /?\"<>[]\\^`{|}%zz HTTP/1.1\r\nHost: a\r\n\r\n", "/?\"<>[]\\^`{|}%zz", "a",
     Body::Kind::kNone, 0, ""},
    {"GET //b/c HTTP/1.1\r\nHost: a\r\n\r\n", "//b/c", "a", Body::Kind::kNone, 0, ""},
    {"GET /http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "/http://b/", "a", Body::Kind::kNone, 0, ""},
    {"GET / HTTP/1.1\r\nHost: [2001:db8::1]:8443\r\n\r\n", "/", "[2001:db8::1]:8443",
     Body::Kind::kNone, 0, ""},
    {"GET / HTTP/1.1\r\nHost: a.\r\n\r\n", "/", "a.", Body::Kind::kNone, 0, ""},
    {"GET / HTTP/1.1\r\nHost: a\r\nContent_Length: 5\r\nTransfer_Encoding: chunked\r\n\r\n", "/",
     "a", Body::Kind::kNone, 0, "Content_Length: 5|Transfer_Encoding: chunked"},
};

TEST(SmugglingTest, what_is_unambiguous_is_taken) {
  for (const Meaning& of : kTaken) {
    test::ParsedRequest parsed{std::string(of.raw) + "NEXT"};
    ASSERT_TRUE(parsed.complete()) << of.raw << name_of(parsed.reject());
    EXPECT_EQ(parsed.result.size, of.raw.size()) << of.raw;
    EXPECT_EQ(parsed.head.target, of.target) << of.raw;
    EXPECT_EQ(parsed.head.authority, of.authority) << of.raw;
    EXPECT_EQ(parsed.head.body.kind, of.body) << of.raw;
    EXPECT_EQ(parsed.head.body.length, of.length) << of.raw;
    EXPECT_EQ(test::text_of_fields(parsed.head.fields), of.fields) << of.raw;
    const HeadResult bytewise = test::parse_request_bytewise(of.raw);
    EXPECT_EQ(bytewise.status, HeadResult::Status::kComplete) << of.raw;
    EXPECT_EQ(bytewise.size, of.raw.size()) << of.raw;
  }
}

}  // namespace
}  // namespace usher::http
