#include "proxy/admin/query.h"

#include <gtest/gtest.h>

namespace usher::admin {
namespace {

std::string problem_of(std::string_view text) {
  const auto query = parse_query(text, {"format", "replace"});
  return query ? "" : query.error().message;
}

TEST(Query, ParametersInAnyOrder) {
  const auto query = parse_query("replace=1&format=nginx", {"format", "replace"});
  ASSERT_TRUE(query);
  EXPECT_EQ(*query, (Query{{"format", "nginx"}, {"replace", "1"}}));
  EXPECT_EQ(parse_query("", {"format"}).value(), Query{});
  EXPECT_EQ(parse_query("format", {"format"}).value(), (Query{{"format", ""}}));
  EXPECT_EQ(parse_query("format=a=b", {"format"}).value(), (Query{{"format", "a=b"}}));
}

TEST(Query, UnknownAndRepeatedAreNamed) {
  EXPECT_EQ(problem_of("replaze=1"), "unknown parameter \"replaze\"");
  EXPECT_EQ(problem_of("replace=1&replace=1"), "parameter \"replace\" is there twice");
  EXPECT_EQ(problem_of("&"), "unknown parameter \"\"");
  EXPECT_EQ(problem_of("=1"), "unknown parameter \"\"");
}

TEST(Query, Switches) {
  EXPECT_EQ(query_switch({}, "now").value(), false);
  EXPECT_EQ(query_switch({{"now", "0"}}, "now").value(), false);
  EXPECT_EQ(query_switch({{"now", "1"}}, "now").value(), true);
  EXPECT_FALSE(query_switch({{"now", "yes"}}, "now"));
  EXPECT_FALSE(query_switch({{"now", ""}}, "now"));
}

}  // namespace
}  // namespace usher::admin
