#include "proxy/base/bytes.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <string>

#include "proxy/base/clock.h"
#include "proxy/base/unix_errors.h"

namespace usher {
namespace {

using std::string_literals::operator""s;

TEST(Bytes, TextAndBytesAreViewsOfTheSame) {
  const std::string text = "a\0\xff"s;
  EXPECT_EQ(bytes_of(text).size(), 3U);
  EXPECT_EQ(text_of(bytes_of(text)), text);
  EXPECT_TRUE(text_of({}).empty());
}

TEST(Bytes, HexIsLowerCaseWithLeadingZeros) {
  EXPECT_EQ(hex({}), "");
  EXPECT_EQ(hex(bytes_of("\0\x0f\xa0\xff"s)), "000fa0ff");
}

TEST(UnixErrors, HaveTheirUsualText) {
  EXPECT_EQ(errno_text(EACCES), "Permission denied");
}

TEST(BootClock, NeverRunsBackAndIsNoYoungerThanTheBoot) {
  const auto first = BootClock::now();
  const auto second = BootClock::now();
  EXPECT_LE(first, second);
  timespec monotonic{};
  ::clock_gettime(CLOCK_MONOTONIC, &monotonic);
  EXPECT_GE(BootClock::now().time_since_epoch(), std::chrono::seconds(monotonic.tv_sec));
}

}  // namespace
}  // namespace usher
