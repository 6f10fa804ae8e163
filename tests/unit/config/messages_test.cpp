#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/config/support/sample.h"

// The words that operators see: what, what was expected, what to do, on one printable line.
namespace usher::config {
namespace {

using Messages = std::vector<std::string>;

Messages with(std::string_view header, std::string_view line) {
  Sample sample;
  sample.put(header, line);
  return sample.problems();
}

TEST(Messages, NameKeyTableAndExpectation) {
  EXPECT_EQ(with("[process]", "workers = 600"),
            Messages{at(2,
                        "'workers = 600' in [process] is wrong; expected a whole number from 0 "
                        "to 512")});
  EXPECT_EQ(with("[log]", "level = \"warnin\""),
            Messages{at(3,
                        "'level = \"warnin\"' in [log] is wrong; expected \"debug\", \"info\", "
                        "\"warning\" or \"error\"; did you mean \"warning\"?")});
  EXPECT_EQ(with("[tls]", "handshake_timeout = \"0s\""),
            Messages{at(5,
                        "'handshake_timeout = \"0s\"' in [tls] is wrong; expected a duration "
                        "from \"10ms\" to \"1d\": a whole number and ms, s, m, h or d")});
}

TEST(Messages, UnknownKeysAreSuggestedOrListed) {
  EXPECT_EQ(with("[process]", "worker = 2"),
            Messages{at(2, "unknown key 'worker' in [process]; did you mean 'workers'?")});
  EXPECT_EQ(with("[log]", "colour = true"),
            Messages{at(3,
                        "unknown key 'colour' in [log]; expected one of: level, format, "
                        "access")});
  Sample sample;
  const unsigned line = sample.append("[prcess]");
  EXPECT_EQ(sample.problems(),
            Messages{at(line, "unknown key 'prcess' in the file; did you mean 'process'?")});
}

TEST(Messages, KeysBelowTheHeaderOfAnInnerTableAreTheParents) {
  EXPECT_EQ(with("[[listener.certificate]]", "client_auth = \"required\""),
            Messages{at(12,
                        "unknown key 'client_auth' in [[listener.certificate]]; it belongs to "
                        "[[listener]]; expected above the first [[listener.certificate]]; "
                        "move it there")});
  EXPECT_EQ(with("[backend.health]", "balance = \"round_robin\""),
            Messages{at(18,
                        "unknown key 'balance' in [backend.health]; it belongs to [[backend]]; "
                        "expected above the first [backend.health]; move it there")});
}

TEST(Messages, AllProblemsComeAtOnceInTheOrderOfLines) {
  Sample sample;
  sample.put("[[backend]]", "balance = \"random\"");
  sample.put("[[listener]]", "nmae = 1");
  sample.put("[tls]", "min_version = \"1.1\"");
  sample.put("[process]", "worker = 2");
  const auto problems = sample.problems();
  ASSERT_EQ(problems.size(), 4U);
  EXPECT_TRUE(problems[0].starts_with(at(2, "unknown key 'worker'")));
  EXPECT_TRUE(problems[1].starts_with(at(6, "'min_version")));
  EXPECT_TRUE(problems[2].starts_with(at(10, "unknown key 'nmae'")));
  EXPECT_TRUE(problems[3].starts_with(at(18, "'balance")));
}

TEST(Messages, ListsNameTheLineOfTheirItem) {
  Sample sample;
  sample.put("[[backend]]", "servers = [\n  \"a:1\",\n  \"b\",\n]");
  EXPECT_EQ(sample.problems(),
            Messages{at(17,
                        "\"b\" in 'servers' of [[backend]] is wrong; expected HOST:PORT with a "
                        "port of 1 to 65535, such as \"app.internal:8080\" or \"[::1]:8080\", "
                        "or { address = \"...\", weight = 2 }")});
}

TEST(Messages, ServersAsTables) {
  const auto first = [](std::string_view servers) {
    const auto problems = with("[[backend]]", "servers = [" + std::string(servers) + "]");
    return problems.empty() ? std::string() : problems.front();
  };
  EXPECT_EQ(first("{ weight = 1 }"),
            at(15,
               "an entry of 'servers' in [[backend]] has no 'address'; expected one such as "
               "\"127.0.0.1:8080\"; add it"));
  EXPECT_EQ(
      first("{ address = \"a:1\", wieght = 2 }"),
      at(15,
         "unknown key 'wieght' in an entry of 'servers' in [[backend]]; did you mean 'weight'?"));
  EXPECT_EQ(first(""), at(15,
                          "'servers' of [[backend]] is empty; expected at least one "
                          "\"HOST:PORT\"; add one"));
}

TEST(Messages, LongAndUnprintableValuesAreShortenedAndEscaped) {
  EXPECT_EQ(with("[log]", "level = \"\\u001b[2J\u00e4\""),
            Messages{at(3,
                        "'level = \"\\x1b[2J\\xc3\\xa4\"' in [log] is wrong; expected \"debug\", "
                        "\"info\", \"warning\" or \"error\"")});
  EXPECT_EQ(with("[log]", "\"\\n\\u0000\" = 1"),
            Messages{at(3,
                        "unknown key '\\x0a\\x00' in [log]; expected one of: level, format, "
                        "access")});
  const auto problems = with("[log]", "level = \"" + std::string(10'000, 'x') + "\"");
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_LT(problems[0].size(), 300U);
}

TEST(Messages, TablesOfTheWrongShape) {
  EXPECT_EQ(problems_of("[listener]\naddress = \"127.0.0.1:1\"\n"),
            Messages{at(1,
                        "'listener' is no list of tables; expected [[listener]] with double "
                        "brackets and its keys below it")});
  const auto nested = problems_of("[[listener]]\n[listener.certificate]\nchain = \"x\"\n");
  EXPECT_EQ(std::count(nested.begin(), nested.end(),
                       at(2,
                          "'certificate' is no list of tables; expected [[listener.certificate]] "
                          "with double brackets and its keys below it")),
            1);
  Sample sample;
  sample.remove("[[backend]]", "none");
  const unsigned line = sample.append("[[rotation]]");
  EXPECT_EQ(sample.problems().front().substr(0, 40),
            at(line, "unknown key 'rotation' in the file; e").substr(0, 40));
  EXPECT_EQ(problems_of("[[tls]]\nmin_version = \"1.2\"\n").front(),
            at(1, "'tls' is no table; expected one [tls] with its keys below it"));
}

TEST(Messages, WhatIsRequired) {
  EXPECT_EQ(problems_of(""),
            Messages{at(1,
                        "the file has no 'listener'; expected at least one [[listener]]; add "
                        "one")});
  const auto problems = problems_of("[[listener]]\n[[backend]]\n");
  ASSERT_EQ(problems.size(), 5U);
  EXPECT_TRUE(problems[0].starts_with(at(1, "[[listener]] has no 'address'; expected")));
  EXPECT_TRUE(problems[1].starts_with(at(1, "[[listener]] has no 'backend'; expected")));
  EXPECT_TRUE(problems[2].starts_with(at(1, "[[listener]] has no certificate; expected")));
  EXPECT_TRUE(problems[3].starts_with(at(2, "[[backend]] has no 'name'; expected")));
  EXPECT_TRUE(problems[4].starts_with(at(2, "[[backend]] has no 'servers'; expected")));
}

}  // namespace
}  // namespace usher::config
