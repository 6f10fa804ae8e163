#include <gtest/gtest.h>

#include <string>

#include "proxy/push/channel_tls.h"

namespace usher::push {
namespace {

struct Case {
  const char* pattern;
  const char* name;
  bool matches;
};

TEST(Glob, MatchesWholeNames) {
  for (const Case& c : {
           Case{"proxy-1.example", "proxy-1.example", true},
           Case{"proxy-1.example", "proxy-10.example", false},
           Case{"proxy-1.example", "xproxy-1.example", false},
           Case{"proxy-1.example", "proxy-1.example.org", false},
           Case{"proxy-1.example", "proxy-1", false},
           Case{"Proxy-1.EXAMPLE", "pROXY-1.example", true},
           Case{"proxy-*.example", "proxy-1.example", true},
           Case{"proxy-*.example", "proxy-east-17.example", true},
           Case{"proxy-*.example", "proxy-.example", false},  // one character at least
           Case{"proxy-*.example", "proxy-1.east.example", false},
           Case{"proxy-*.example", "proxy-1xexample", false},
           Case{"*.example", "a.example", true},
           Case{"*.example", "a.b.example", false},
           Case{"*.example", ".example", false},
           Case{"*.example", "example", false},
           Case{"*.*.example", "a.b.example", true},
           Case{"*", "proxy", true},
           Case{"*", "proxy.example", false},
           Case{"*", "", false},
           Case{"", "", true},
           Case{"", "a", false},
           Case{"a*b*c", "aXbYc", true},
           Case{"a*b*c", "abbbc", true},
           Case{"a*b*c", "abc", false},
           Case{"a*b*c", "aXbYcZ", false},
           Case{"a*b*c", "aXbYcZc", true},
           Case{"**", "a", false},
           Case{"**", "ab", true},
           Case{"a*", "a.b", false},
           Case{"*a*.b", "xa.b", false},  // the second '*' needs one more
           Case{"*a*.b", "xaxax.b", true},
           Case{"?", "a", false},
           Case{"[ab]", "a", false},
       }) {
    EXPECT_EQ(glob_matches(c.pattern, c.name), c.matches) << c.pattern << " " << c.name;
  }
}

// Against the definition, written as plainly as can be, over all short patterns and names.
bool by_definition(std::string_view pattern, std::string_view name) {
  if (pattern.empty()) {
    return name.empty();
  }
  if (pattern.front() != '*') {
    return !name.empty() && pattern.front() == name.front() &&
           by_definition(pattern.substr(1), name.substr(1));
  }
  for (std::size_t taken = 1; taken <= name.size() && name[taken - 1] != '.'; ++taken) {
    if (by_definition(pattern.substr(1), name.substr(taken))) {
      return true;
    }
  }
  return false;
}

std::vector<std::string> all_of(std::string_view letters, std::size_t longest) {
  std::vector<std::string> texts{""};
  for (std::size_t at = 0; at < texts.size(); ++at) {
    for (const char letter : texts[at].size() < longest ? letters : std::string_view()) {
      texts.push_back(texts[at] + letter);
    }
  }
  return texts;
}

TEST(Glob, AgreesWithItsDefinition) {
  int matching = 0;
  for (const std::string& pattern : all_of("a.*", 5)) {
    for (const std::string& name : all_of("ab.", 5)) {
      const bool expected = by_definition(pattern, name);
      matching += expected ? 1 : 0;
      ASSERT_EQ(glob_matches(pattern, name), expected) << pattern << " " << name;
    }
  }
  EXPECT_GT(matching, 100);
}

TEST(Glob, ManyStarsCostLittle) {
  std::string pattern;
  for (int i = 0; i < 60; ++i) {
    pattern += "*a";
  }
  EXPECT_FALSE(glob_matches(pattern + "b", std::string(255, 'a')));
}

}  // namespace
}  // namespace usher::push
