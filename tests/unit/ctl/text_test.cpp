#include "proxy/ctl/text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace usher::ctl {
namespace {

using nlohmann::json;

TEST(CtlText, AgesHaveTwoUnitsAtMost) {
  const std::pair<double, const char*> cases[] = {
      {-3, "0s"},
      {0, "0s"},
      {0.04, "0s"},
      {0.4, "0.4s"},
      {9.94, "9.9s"},
      {9.96, "10s"},
      {42, "42s"},
      {59.4, "59s"},
      {59.6, "1m"},
      {60, "1m"},
      {182, "3m 2s"},
      {3599.7, "1h"},
      {3600 * 5 + 183, "5h 3m"},
      {86400, "1d"},
      {86400 * 12 + 3600 * 4 + 59, "12d 4h"},
  };
  for (const auto& [seconds, text] : cases) {
    EXPECT_EQ(age_text(seconds), text) << seconds;
  }
}

TEST(CtlText, AgesThatAreNoAgesDoNotOverflow) {
  EXPECT_EQ(age_text(1e300), "11574074074d 1h");
}

TEST(CtlText, TimesAreUtc) {
  EXPECT_EQ(time_text(0), "1970-01-01 00:00:00 UTC");
  EXPECT_EQ(time_text(1'795'273'323), "2026-11-21 15:02:03 UTC");
  EXPECT_EQ(time_text(253'402'300'799), "9999-12-31 23:59:59 UTC");
}

TEST(CtlText, TimesBeyondTheCalendarAreNumbers) {
  EXPECT_EQ(time_text(-1), "-1 (Unix time)");
  EXPECT_EQ(time_text(253'402'300'800), "253402300800 (Unix time)");
}

TEST(CtlText, NothingReachesATerminalRaw) {
  EXPECT_EQ(printable("plain ~ text"), "plain ~ text");
  EXPECT_EQ(printable("\x1b[31mred\n\x7f"), "\\x1b[31mred\\x0a\\x7f");
  EXPECT_EQ(printable("\xc2\x9b"
                      "2J"),
            "\\xc2\\x9b2J");  // CSI in one character
  EXPECT_EQ(printable(std::string_view("\0", 1)), "\\x00");
}

TEST(CtlText, CountsHaveTheirNoun) {
  EXPECT_EQ(count_text(0, "key"), "0 keys");
  EXPECT_EQ(count_text(1, "key"), "1 key");
  EXPECT_EQ(count_text(2, "key"), "2 keys");
}

TEST(CtlText, MembersOfAnObject) {
  const json object = {{"text", "a\tb"}, {"number", 7}, {"yes", true}, {"none", nullptr}};
  EXPECT_EQ(member_text(object, "text"), "a\\x09b");
  EXPECT_EQ(member_text(object, "number"), "7");
  EXPECT_EQ(member_text(object, "yes"), "true");
  EXPECT_EQ(member_text(object, "none"), "");
  EXPECT_EQ(member_text(object, "missing"), "");
}

TEST(CtlText, ListsAreJoined) {
  EXPECT_EQ(joined(json::array()), "");
  EXPECT_EQ(joined({"a", "b\n"}), "a, b\\x0a");
  EXPECT_THROW(joined({1}), json::exception);  // another version's answer
}

}  // namespace
}  // namespace usher::ctl
