#include "proxy/base/units.h"

#include <gtest/gtest.h>

namespace usher {
namespace {

using std::chrono::milliseconds;

TEST(Durations, ReadAWholeNumberAndOneUnit) {
  const struct {
    const char* text;
    std::int64_t ms;
  } cases[] = {{"0", 0},
               {"0s", 0},
               {"20ms", 20},
               {"10s", 10'000},
               {"5m", 300'000},
               {"6h", 21'600'000},
               {"2d", 172'800'000},
               {"007s", 7'000},
               {"9223372036854775807ms", INT64_MAX}};
  for (const auto& expected : cases) {
    EXPECT_EQ(parse_duration(expected.text), milliseconds(expected.ms)) << expected.text;
  }
}

TEST(Durations, RefuseEverythingElse) {
  for (const char* text : {"",
                           "s",
                           "1",
                           "10",
                           "-1s",
                           "-0",
                           "-0s",
                           "+1s",
                           "1.5s",
                           "1 s",
                           " 1s",
                           "1s ",
                           "1S",
                           "1sec",
                           "1h30m",
                           "1us",
                           "0x1s",
                           "9223372036854775808ms",
                           "9223372036854775807s",
                           "106751991168d"}) {
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  }
}

TEST(Durations, AreWrittenInTheirShortestExactForm) {
  EXPECT_EQ(format_duration(milliseconds(0)), "0s");
  EXPECT_EQ(format_duration(milliseconds(1)), "1ms");
  EXPECT_EQ(format_duration(milliseconds(1500)), "1500ms");
  EXPECT_EQ(format_duration(milliseconds(90'000)), "90s");
  EXPECT_EQ(format_duration(milliseconds(3'600'000)), "1h");
  EXPECT_EQ(format_duration(milliseconds(86'400'000)), "1d");
}

TEST(Durations, WhatIsWrittenIsReadBack) {
  for (std::int64_t ms = 0; ms < 200'000'000; ms = ms * 3 + 7) {
    EXPECT_EQ(parse_duration(format_duration(milliseconds(ms))), milliseconds(ms));
  }
}

}  // namespace
}  // namespace usher
