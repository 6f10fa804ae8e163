#include <gtest/gtest.h>

#include <algorithm>

#include "proxy/config/key_depth.h"
#include "tests/unit/config/support/sample.h"

// Files that are no TOML, or TOML made to hurt: bounded, and told in printable words with a line.
namespace usher::config {
namespace {

std::string repeated(std::string_view text, std::size_t times) {
  std::string result;
  for (std::size_t i = 0; i < times; ++i) {
    result += text;
  }
  return result;
}

// The one message, after checking that a terminal can show it.
std::string only_problem(std::string_view text) {
  const auto problems = problems_of(text);
  EXPECT_EQ(problems.size(), 1U);
  const std::string message = problems.empty() ? "" : problems.front();
  EXPECT_TRUE(
      std::all_of(message.begin(), message.end(), [](char c) { return c >= 0x20 && c < 0x7f; }));
  EXPECT_LT(message.size(), 400U);
  return message;
}

bool begins(const std::string& message, unsigned line, std::string_view words) {
  return message.starts_with(at(line, words));
}

TEST(HostileFiles, NoToml) {
  EXPECT_TRUE(begins(only_problem("[tls]\nmin_version = \n"), 2, "not TOML: "));
  EXPECT_TRUE(begins(only_problem(std::string("\xff\xfe\0", 3)), 1, "not TOML: "));
  EXPECT_TRUE(begins(only_problem("[process]\nnode = \"\xff\"\n"), 2, "not TOML: "));
  EXPECT_TRUE(begins(only_problem(std::string(100, '\0')), 1, "not TOML: "));
  EXPECT_TRUE(begins(only_problem("[process]\nworkers = 99999999999999999999\n"), 2, "not TOML: "));
  EXPECT_TRUE(begins(only_problem("[process]\n[process]\n"), 2, "not TOML: "));
  EXPECT_TRUE(begins(only_problem("\x1b[2J = 1"), 1, "not TOML: "));
  EXPECT_TRUE(begins(only_problem("[&"), 1, "not TOML: "));
  EXPECT_TRUE(begins(only_problem("a = 1\nä = 1"), 2, "not TOML: "));
  EXPECT_TRUE(begins(only_problem("a = 1 ä"), 1, "not TOML: "));
  EXPECT_TRUE(begins(only_problem("[[[a]]]"), 1, "not TOML: "));
  EXPECT_TRUE(only_problem("a = \"\"\"" + repeated("\n", 100)).starts_with("usher.toml:"));
}

TEST(HostileFiles, NestedValues) {
  EXPECT_TRUE(begins(only_problem("a = " + repeated("[", 10'000)), 1, "not TOML: "));
  EXPECT_TRUE(begins(only_problem("a = " + repeated("{a=", 10'000)), 1, "not TOML: "));
  EXPECT_TRUE(begins(only_problem("a = " + repeated("[{a=", 10'000)), 1, "not TOML: "));
}

TEST(HostileFiles, DeepKeys) {
  const std::string deep = "a" + repeated(".a", 400'000);
  EXPECT_TRUE(begins(only_problem("\n" + deep + " = 1"), 2, "a key of more than 16 parts"));
  EXPECT_TRUE(begins(only_problem("[" + deep + "]"), 1, "a key of more than 16 parts"));
  const std::string quoted = "'='" + repeated(" . \"\\\"=#,\"", 20);
  EXPECT_TRUE(begins(only_problem(quoted + " = 1"), 1, "a key of more than 16 parts"));
  EXPECT_TRUE(begins(only_problem("a = [\n{" + quoted + " = 1}]"), 2, "a key of more than 16"));
}

TEST(HostileFiles, DotsElsewhereAreNotCounted) {
  const std::string dots(100, '.');
  EXPECT_EQ(line_of_too_deep_key("# " + dots + "\n"), std::nullopt);
  EXPECT_EQ(line_of_too_deep_key("a = \"" + dots + "\\\"" + dots + "\"\n"), std::nullopt);
  EXPECT_EQ(line_of_too_deep_key("a = '" + dots + "\\'\n"), std::nullopt);
  EXPECT_EQ(line_of_too_deep_key("a = \"\"\"" + dots + "\n\\\"\"\"" + dots + "\"\"\"\"\"\n"),
            std::nullopt);
  EXPECT_EQ(line_of_too_deep_key("a = '''" + dots + "''" + dots + "\n''''\n"), std::nullopt);
  EXPECT_EQ(line_of_too_deep_key("a = [" + repeated("1.5, ", 100) + "]\n"), std::nullopt);
  EXPECT_EQ(line_of_too_deep_key("a = '''x'''\n" + repeated("b.", 20)), 2U);
  EXPECT_EQ(line_of_too_deep_key("\"" + dots), std::nullopt);
}

TEST(HostileFiles, TooLong) {
  EXPECT_TRUE(begins(only_problem(std::string((1 << 20) + 1, '#')), 1, "more than 1 MiB"));
  EXPECT_TRUE(begins(only_problem(std::string(1 << 20, '#')), 1, "the file has no 'listener'"));
}

TEST(HostileFiles, ThousandsOfProblemsAreCounted) {
  std::string text;
  for (int i = 0; i < 5'000; ++i) {
    text += "x" + std::to_string(i) + " = 1\n";
  }
  const auto problems = problems_of(text);
  ASSERT_EQ(problems.size(), 1001U);
  EXPECT_EQ(problems.back(), "usher.toml: 4001 more problems; mend these first");
}

TEST(HostileFiles, CarriageReturnsAndByteOrderMarkAreFine) {
  std::string text = "\xef\xbb\xbf";
  for (const char c : Sample().text()) {
    text += c == '\n' ? "\r\n" : std::string(1, c);
  }
  EXPECT_EQ(problems_of(text), std::vector<std::string>());
}

}  // namespace
}  // namespace usher::config
