#include "keyd/line_budget.h"

#include <gtest/gtest.h>

namespace usher::keyd {
namespace {

using namespace std::chrono_literals;

std::uint64_t spent(LineBudget& budget, BootClock::time_point now, std::uint64_t wanted) {
  std::uint64_t told = 0;
  for (std::uint64_t i = 0; i < wanted; ++i) {
    told += budget.spend(now) ? 1 : 0;
  }
  return told;
}

TEST(LineBudget, AFleetMayComeBackAtOnce) {
  LineBudget budget;
  EXPECT_EQ(spent(budget, BootClock::time_point(1h), 5000), 5000U);
  EXPECT_EQ(budget.left_out(), 0U);
}

TEST(LineBudget, AFloodIsLeftOutAndCounted) {
  LineBudget budget;
  BootClock::time_point now(1h);
  EXPECT_EQ(spent(budget, now, 6000), 5000U);
  EXPECT_EQ(budget.left_out(), 1000U);
  EXPECT_EQ(spent(budget, now += 1s, 1000), 20U);
  EXPECT_EQ(budget.left_out(), 980U);
  EXPECT_EQ(spent(budget, now += 24h, 6000), 5000U) << "not more than at once";
}

}  // namespace
}  // namespace usher::keyd
