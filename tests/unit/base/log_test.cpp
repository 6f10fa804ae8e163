#include "proxy/base/log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>
#include <utility>

namespace usher::log {
namespace {

using std::string_literals::operator""s;

class LogTest : public ::testing::Test {
 protected:
  ~LogTest() override { configure(Level::kInfo, Format::kLogfmt); }

  static std::string written(Format form, std::string_view message, Fields fields) {
    configure(Level::kDebug, form);
    ::testing::internal::CaptureStderr();
    warning(message, fields);
    return ::testing::internal::GetCapturedStderr();
  }
};

TEST_F(LogTest, LogfmtLineHasTimeLevelMessageAndFields) {
  const std::string line = written(Format::kLogfmt, "it works", {{"port", 443}, {"name", "web"}});
  const std::regex form(
      R"(time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=warning msg="it works" port=443 name=web\n)");
  EXPECT_TRUE(std::regex_match(line, form)) << line;
}

TEST_F(LogTest, JsonLineIsOneObjectAndNumbersStayNumbers) {
  const std::string line = written(Format::kJson, "it works", {{"port", -1}, {"name", "web"}});
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const auto object = nlohmann::json::parse(line);
  EXPECT_EQ(object.size(), 5U);
  EXPECT_TRUE(object.at("time").is_string());
  EXPECT_EQ(object.at("level"), "warning");
  EXPECT_EQ(object.at("msg"), "it works");
  EXPECT_EQ(object.at("port"), -1);
  EXPECT_EQ(object.at("name"), "web");
}

// What a stranger can put into a server name or a request must not forge lines or fields.
TEST_F(LogTest, HostileTextStaysInsideItsField) {
  const std::string hostile = "a\nlevel=error msg=\"x\" \\ \x1b[2J \x7f \xff \t\0 end"s;
  const std::string escaped =
      R"("a\u000alevel=error msg=\"x\" \\ \u001b[2J \u007f \u00ff \u0009\u0000 end")";
  for (const Format form : {Format::kLogfmt, Format::kJson}) {
    const std::string line = written(form, "m", {{"sni", hostile}});
    EXPECT_NE(line.find(escaped), std::string::npos) << line;
    EXPECT_EQ(std::count_if(line.begin(), line.end(), [](char c) { return c < 0x20 || c > 0x7e; }),
              1)  // its own newline
        << line;
  }
}

TEST_F(LogTest, JsonReadersGetTheTextBack) {
  const std::string hostile = "q\" b\\ n\n e\x1b {\"x\":1}";
  const auto object = nlohmann::json::parse(written(Format::kJson, hostile, {{"k", hostile}}));
  EXPECT_EQ(object.at("msg"), hostile);
  EXPECT_EQ(object.at("k"), hostile);
}

TEST_F(LogTest, LogfmtQuotesOnlyWhatNeedsIt) {
  const std::pair<std::string, std::string> cases[] = {
      {"plain", "k=plain"}, {"", "k=\"\""},      {"a b", "k=\"a b\""},      {"a=b", "k=\"a=b\""},
      {"\"", R"(k="\"")"},  {"\\", R"(k="\\")"}, {"[::1]:80", "k=[::1]:80"}};
  for (const auto& [text, expected] : cases) {
    std::string line;
    append_field(line, Format::kLogfmt, "k", text);
    EXPECT_EQ(line, expected);
  }
}

TEST_F(LogTest, PiecesMakeOneLineAfterAnother) {
  for (const Format form : {Format::kLogfmt, Format::kJson}) {
    std::string batch;
    for (int i = 0; i < 2; ++i) {
      begin_line(batch, form);
      append_number(batch, form, "n", 18'446'744'073'709'551'615U);
      append_field(batch, form, "t", "x{");
      append_field(batch, form, "u", "y");
      end_line(batch, form);
    }
    const std::string second = batch.substr(batch.find('\n') + 1);
    const std::string tail = form == Format::kJson
                                 ? R"(,"n":18446744073709551615,"t":"x{","u":"y"})"
                                   "\n"
                                 : " n=18446744073709551615 t=x{ u=y\n";
    EXPECT_TRUE(second.ends_with(tail)) << second;
    EXPECT_TRUE(second.starts_with(form == Format::kJson ? "{\"time\":\"" : "time=")) << second;
  }
}

TEST_F(LogTest, LevelsBelowTheConfiguredOneAreSilent) {
  configure(Level::kWarning, Format::kLogfmt);
  EXPECT_FALSE(enabled(Level::kDebug));
  EXPECT_FALSE(enabled(Level::kInfo));
  EXPECT_TRUE(enabled(Level::kWarning));
  EXPECT_TRUE(enabled(Level::kError));
  ::testing::internal::CaptureStderr();
  debug("a");
  info("b");
  warning("c");
  error("d");
  const std::string lines = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 2) << lines;
  EXPECT_NE(lines.find("level=error msg=d"), std::string::npos) << lines;
}

}  // namespace
}  // namespace usher::log
