#include "proxy/redis/breaker.h"

#include <gtest/gtest.h>

namespace usher::redis {
namespace {

using namespace std::chrono_literals;

// Time and randomness are the test's.
class BreakerTest : public ::testing::Test {
 protected:
  void fail(int times) {
    for (int i = 0; i < times; ++i) {
      breaker_.ended(breaker_.admit(now_), false, now_, random_);
    }
  }

  // How long nobody is admitted from now on, in steps of a millisecond; the next one is.
  std::chrono::milliseconds refused_for() {
    const uv::LoopTime begin = now_;
    while ((probe_ = breaker_.admit(now_)) == 0) {
      now_ += 1ms;
    }
    return now_ - begin;
  }

  std::minstd_rand random_{1};
  Breaker breaker_{{3, 100ms, 400ms}};
  Breaker::Token probe_ = 0;
  uv::LoopTime now_{1'000'000};
};

TEST_F(BreakerTest, OpensAfterFailuresInARow) {
  fail(2);
  breaker_.ended(breaker_.admit(now_), true, now_, random_);
  fail(2);
  EXPECT_TRUE(breaker_.closed());
  fail(1);
  EXPECT_FALSE(breaker_.closed());
  EXPECT_EQ(breaker_.admit(now_), 0U);
}

TEST_F(BreakerTest, LetsOneProbeThroughWhoseAnswerClosesIt) {
  fail(3);
  const auto refused = refused_for();
  EXPECT_GE(refused, 50ms);
  EXPECT_LE(refused, 100ms);
  EXPECT_EQ(breaker_.admit(now_), 0U);
  EXPECT_FALSE(breaker_.closed());
  breaker_.ended(probe_, true, now_, random_);
  EXPECT_TRUE(breaker_.closed());
  EXPECT_NE(breaker_.admit(now_), 0U);
}

TEST_F(BreakerTest, AFailedProbeDoublesTheTimeUpToItsLimit) {
  fail(3);
  for (const auto longest : {100ms, 200ms, 400ms, 400ms}) {
    const auto refused = refused_for();
    EXPECT_GE(refused, longest / 2);
    EXPECT_LE(refused, longest);
    breaker_.ended(probe_, false, now_, random_);
  }
}

TEST_F(BreakerTest, ARelapseGoesOnDoubling) {
  fail(3);
  (void)refused_for();
  breaker_.ended(probe_, true, now_, random_);
  fail(3);
  EXPECT_GT(refused_for(), 99ms);
  breaker_.ended(probe_, true, now_, random_);
  now_ += 1s;  // it held
  fail(3);
  EXPECT_LE(refused_for(), 100ms);
}

TEST_F(BreakerTest, WhatWasAskedBeforeDoesNotDecideTheProbe) {
  const Breaker::Token before = breaker_.admit(now_);
  fail(3);
  breaker_.ended(before, true, now_, random_);
  EXPECT_FALSE(breaker_.closed());
  (void)refused_for();
  breaker_.ended(before, true, now_, random_);
  EXPECT_FALSE(breaker_.closed());
  breaker_.ended(before, false, now_, random_);
  breaker_.ended(probe_, true, now_, random_);
  EXPECT_TRUE(breaker_.closed());
}

TEST_F(BreakerTest, ManyThatFailTogetherOpenItOnce) {
  const Breaker::Token token = breaker_.admit(now_);
  for (int i = 0; i < 100; ++i) {
    breaker_.ended(token, false, now_, random_);
  }
  EXPECT_LE(refused_for(), 100ms);
}

}  // namespace
}  // namespace usher::redis
