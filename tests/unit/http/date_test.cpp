#include "proxy/http/date.h"

#include <gtest/gtest.h>

namespace usher::http {
namespace {

// RFC 9110 §5.6.7's example, and that a second later is another date.
TEST(HttpDate, IsAnImfFixdate) {
  const UnixSeconds at{std::chrono::seconds(784'111'777)};
  EXPECT_EQ(http_date(at), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(http_date(at + std::chrono::seconds(1)), "Sun, 06 Nov 1994 08:49:38 GMT");
  EXPECT_EQ(http_date(UnixSeconds{}), "Thu, 01 Jan 1970 00:00:00 GMT");
}

}  // namespace
}  // namespace usher::http
