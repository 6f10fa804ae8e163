#include "proxy/base/mix.h"

#include <gtest/gtest.h>

#include <bit>

namespace usher {
namespace {

// SplitMix64 of state 0: the finaliser of its first two additions (Vigna's splitmix64.c).
TEST(Mixed, IsTheFinaliserOfSplitMix64) {
  EXPECT_EQ(mixed(0x9e3779b97f4a7c15), 0xe220a8397b1dcdaf);
  EXPECT_EQ(mixed(2 * 0x9e3779b97f4a7c15U), 0x6e789e6aa1b965f4);
}

TEST(Mixed, ABitChangesAboutHalfOfTheBits) {
  for (int bit = 0; bit < 64; ++bit) {
    const int changed = std::popcount(mixed(12345) ^ mixed(12345 ^ (std::uint64_t{1} << bit)));
    EXPECT_GT(changed, 12) << bit;
    EXPECT_LT(changed, 52) << bit;
  }
}

}  // namespace
}  // namespace usher
