#include "proxy/base/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace usher {
namespace {

Result<int> half(int number) {
  if (number % 2 != 0) {
    return fail(std::to_string(number) + " is odd");
  }
  return number / 2;
}

TEST(Result, HoldsAValueOrAnError) {
  const Result<int> good = half(8);
  ASSERT_TRUE(good);
  EXPECT_EQ(*good, 4);
  EXPECT_EQ(good.value(), 4);

  const Result<int> bad = half(3);
  ASSERT_FALSE(bad.has_value());
  EXPECT_EQ(bad.error().message, "3 is odd");
}

TEST(Result, MovesMoveOnlyValuesOut) {
  Result<std::unique_ptr<int>> made = std::make_unique<int>(5);
  const std::unique_ptr<int> taken = *std::move(made);
  ASSERT_NE(taken, nullptr);
  EXPECT_EQ(*taken, 5);
}

TEST(Result, ReachesMembers) {
  Result<std::string> text = std::string("abc");
  EXPECT_EQ(text->size(), 3U);
  text->push_back('d');
  EXPECT_EQ(*text, "abcd");
}

TEST(Result, OfVoidSucceedsByDefault) {
  EXPECT_TRUE(Result<void>());
  Result<void> failed = fail("no");
  EXPECT_FALSE(failed);
  EXPECT_EQ(std::move(failed).error().message, "no");
}

TEST(Result, CarriesOtherErrorTypes) {
  using Problems = std::vector<std::string>;
  const Result<int, Problems> result = Unexpected(Problems{"a", "b"});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().size(), 2U);
}

TEST(Result, ErrorsGainTheirPlace) {
  EXPECT_EQ(Error{"no such file"}.within("usher.toml:7").message, "usher.toml:7: no such file");
}

TEST(ResultDeathTest, AskingForWhatIsNotThereEnds) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Result<int> good = 1;
  Result<int> bad = fail("x");
  Result<void> done;
  EXPECT_DEATH((void)bad.value(), "CHECK failed");
  EXPECT_DEATH((void)good.error(), "CHECK failed");
  EXPECT_DEATH((void)done.error(), "CHECK failed");
}

}  // namespace
}  // namespace usher
