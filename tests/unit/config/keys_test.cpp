#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "tests/unit/config/support/contract_keys.h"
#include "tests/unit/config/support/sample.h"

// Every key of the contract: its good values are taken, each bad one is told once, at its line.
namespace usher::config {
namespace {

using ::testing::TestWithParam;

class ContractKey : public TestWithParam<KeyCase> {
 protected:
  static std::string assign(std::string_view literal) {
    return std::string(GetParam().key) + " = " + std::string(literal);
  }
  static Sample sample() {
    Sample sample;
    if (GetParam().mode != "tcp") {
      sample.put("[[listener]]", "mode = \"" + std::string(GetParam().mode) + "\"");
    }
    return sample;
  }
};

std::set<std::string> names_in_contract() {
  std::set<std::string> names;
  std::istringstream lines{std::string(kContractList)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string header;
    words >> header;
    for (std::string key; words >> key;) {
      names.insert(header + " " + key);
    }
  }
  return names;
}

TEST(ContractKeys, NoneIsForgotten) {
  std::set<std::string> tested;
  for (const KeyCase& key : contract_keys()) {
    tested.insert(std::string(key.header) + " " + std::string(key.key));
    EXPECT_FALSE(key.good.empty()) << key;
    EXPECT_FALSE(key.wrong.empty()) << key;
  }
  EXPECT_EQ(tested, names_in_contract());
}

TEST_P(ContractKey, GoodValuesAreTaken) {
  for (const std::string_view literal : GetParam().good) {
    Sample sample = ContractKey::sample();
    sample.put(GetParam().header, assign(literal));
    EXPECT_EQ(sample.problems(), std::vector<std::string>()) << assign(literal);
  }
}

TEST_P(ContractKey, WrongValuesAreToldAtTheirLine) {
  for (const std::string_view literal : GetParam().wrong) {
    Sample sample = ContractKey::sample();
    const unsigned line = sample.put(GetParam().header, assign(literal));
    const auto problems = sample.problems();
    ASSERT_EQ(problems.size(), 1U) << assign(literal);
    EXPECT_TRUE(problems[0].starts_with(at(line, ""))) << problems[0];
    EXPECT_NE(problems[0].find(GetParam().key), std::string::npos) << problems[0];
    EXPECT_NE(problems[0].find("; expected "), std::string::npos) << problems[0];
  }
}

TEST_P(ContractKey, AMissingLetterIsSuggested) {
  const std::string key(GetParam().key);
  if (key.size() < 5) {  // nothing is near to what is left of "ca"
    GTEST_SUCCEED();
    return;
  }
  Sample sample;
  const unsigned line = sample.put(GetParam().header, key.substr(0, key.size() - 1) + " = 1");
  const auto problems = sample.problems();
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_TRUE(problems[0].starts_with(at(line, "unknown key '"))) << problems[0];
  EXPECT_TRUE(problems[0].ends_with("did you mean '" + key + "'?")) << problems[0];
}

std::string name_of(const ::testing::TestParamInfo<KeyCase>& info) {
  std::string name = std::string(info.param.header) + "_" + std::string(info.param.key);
  std::erase_if(name, [](char c) { return c == '[' || c == ']' || c == '.'; });
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, ContractKey, ::testing::ValuesIn(contract_keys()), name_of);

}  // namespace
}  // namespace usher::config
