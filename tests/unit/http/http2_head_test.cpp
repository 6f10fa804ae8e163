// A decoded field section becomes a request, or is refused.
#include "proxy/http/http2_head.h"

#include <gtest/gtest.h>

#include <string>

namespace usher::http::http2 {
namespace {

class Http2HeadTest : public testing::Test {
 protected:
  Http2HeadTest() { section_.begin(); }

  void pseudo(const std::string& method = "GET", const std::string& path = "/p?q",
              const std::string& scheme = "https", const std::string& authority = "site.test") {
    section_.add(":method", method);
    section_.add(":scheme", scheme);
    section_.add(":path", path);
    if (!authority.empty()) {
      section_.add(":authority", authority);
    }
  }
  Reject finish(bool ended = true) { return section_.finish_request(ended, head_); }

  FieldSection section_{HeadLimits{1'000, 5}};
  RequestHead head_;
};

TEST_F(Http2HeadTest, MakesARequest) {
  pseudo();
  section_.add("accept", "*/*");
  section_.add("te", "trailers");
  ASSERT_EQ(finish(), Reject::kNone);
  EXPECT_EQ(head_.version, Version::k2);
  EXPECT_EQ(head_.method, Method::kGet);
  EXPECT_EQ(head_.target, "/p?q");
  EXPECT_EQ(head_.authority, "site.test");
  EXPECT_TRUE(head_.te_trailers);
  EXPECT_EQ(head_.body.kind, Body::Kind::kNone);
  ASSERT_FALSE(head_.fields.empty());
  EXPECT_EQ(head_.fields[0].name, "accept");
  EXPECT_EQ(head_.fields[0].value, "*/*");
}

TEST_F(Http2HeadTest, ItsMemoryIsUsedAgain) {
  pseudo("POST", "/first");
  section_.add("a", "1");
  ASSERT_EQ(finish(), Reject::kNone);
  section_.begin();
  pseudo();
  ASSERT_EQ(finish(), Reject::kNone);
  EXPECT_EQ(head_.target, "/p?q");
  EXPECT_TRUE(head_.fields.empty());
}

TEST_F(Http2HeadTest, ContentWithALength) {
  pseudo("POST");
  section_.add("content-length", "12");
  ASSERT_EQ(finish(false), Reject::kNone);
  EXPECT_EQ(head_.body.kind, Body::Kind::kLength);
  EXPECT_EQ(head_.body.length, 12U);
}

TEST_F(Http2HeadTest, ContentWithoutALength) {
  pseudo("POST");
  ASSERT_EQ(finish(false), Reject::kNone);
  EXPECT_EQ(head_.body.kind, Body::Kind::kChunked);
}

TEST_F(Http2HeadTest, HostStandsInForAuthority) {
  pseudo("GET", "/", "https", "");
  section_.add("host", "other.test");
  ASSERT_EQ(finish(), Reject::kNone);
  EXPECT_EQ(head_.authority, "other.test");
}

TEST_F(Http2HeadTest, HostAndAuthorityMustAgree) {
  pseudo();
  section_.add("host", "other.test");
  EXPECT_EQ(finish(), Reject::kBadAuthority);
}

TEST_F(Http2HeadTest, NoAuthorityAtAll) {
  pseudo("GET", "/", "https", "");
  EXPECT_EQ(finish(), Reject::kBadAuthority);
}

TEST_F(Http2HeadTest, OtherSchemes) {
  pseudo("GET", "/", "ftp");
  EXPECT_EQ(finish(), Reject::kBadTarget);
}

TEST_F(Http2HeadTest, AMethodIsAToken) {
  for (const char* method :
       {"", "GE T", "GET / HTTP/1.1\r\nX: y\r\nZ:", "GET\n", "G\x7f", "(GET)"}) {
    section_.begin();
    pseudo(method);
    EXPECT_EQ(finish(), Reject::kBadField) << method;
  }
}

TEST_F(Http2HeadTest, ConnectIsRefused) {
  section_.add(":method", "CONNECT");
  section_.add(":authority", "site.test:443");
  EXPECT_EQ(finish(), Reject::kBadMethod);
}

TEST_F(Http2HeadTest, AMalformedFieldRefusesTheRequest) {
  pseudo();
  section_.add_malformed();
  EXPECT_EQ(finish(), Reject::kBadField);
  section_.begin();
  pseudo();
  EXPECT_EQ(finish(), Reject::kNone);
}

TEST_F(Http2HeadTest, BytesAreBoundedAsTheListIsCounted) {
  pseudo();  // 4 × 32 and 50 bytes
  section_.add("x", std::string(1'000 - 4 * 32 - 50 - 33, 'v'));
  EXPECT_EQ(finish(), Reject::kNone);
  section_.add("y", "");
  EXPECT_EQ(finish(), Reject::kHeadTooLarge);
}

TEST_F(Http2HeadTest, FieldsAreBoundedAndCookieCrumbsAreOne) {
  pseudo();
  for (int i = 0; i < 4; ++i) {
    section_.add("f", "v");
  }
  for (int i = 0; i < 8; ++i) {
    section_.add("cookie", "c");
  }
  EXPECT_EQ(finish(), Reject::kNone);
  section_.add("f", "v");
  EXPECT_EQ(finish(), Reject::kTooManyFields);
}

TEST_F(Http2HeadTest, HeadOfARefusedRequestStillTellsHead) {
  pseudo("HEAD");
  section_.add_malformed();
  EXPECT_EQ(finish(), Reject::kBadField);
  EXPECT_EQ(head_.method, Method::kHead);
}

TEST_F(Http2HeadTest, TrailersThatWouldFrameRouteOrAuthenticateAreDropped) {
  section_.add("x-sum", "1");
  section_.add("content-length", "5");
  section_.add("if-match", "*");
  section_.add("authorization", "Basic x");
  section_.add("x-forwarded-for", "::1");
  std::vector<Field> trailers;
  ASSERT_EQ(section_.finish_trailers(trailers), Reject::kNone);
  ASSERT_EQ(trailers.size(), 1U);
  EXPECT_EQ(trailers[0].name, "x-sum");
}

TEST(KeptFieldsTest, OwnTheirBytes) {
  KeptFields kept;
  {
    std::string name = "name";
    std::string value = "value";
    const Field fields[] = {{FieldName::kOther, name, value}, {FieldName::kOther, "b", ""}};
    kept.keep(fields);
    name.assign(4, 'x');
    value.assign(5, 'x');
  }
  ASSERT_EQ(kept.fields().size(), 2U);
  EXPECT_EQ(kept.fields()[0].name, "name");
  EXPECT_EQ(kept.fields()[0].value, "value");
  EXPECT_EQ(kept.fields()[1].name, "b");
  EXPECT_EQ(kept.fields()[1].value, "");
}

}  // namespace
}  // namespace usher::http::http2
