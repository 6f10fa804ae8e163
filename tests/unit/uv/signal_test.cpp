#include "proxy/uv/signal.h"

#include <csignal>
#include <memory>

#include "tests/unit/uv/support/loop_test.h"

namespace usher::uv {
namespace {

using SignalTest = LoopTest;

TEST_F(SignalTest, CallsBackOnTheLoop) {
  int heard = 0;
  const Signal signal(loop_, SIGUSR1, [&] {
    ++heard;
    loop_.stop();
  });
  ASSERT_EQ(::raise(SIGUSR1), 0);
  EXPECT_EQ(heard, 0);
  run();
  EXPECT_EQ(heard, 1);
}

TEST_F(SignalTest, OnlyItsOwnNumber) {
  int first = 0;
  int second = 0;
  const Signal one(loop_, SIGUSR1, [&] { ++first; });
  const Signal two(loop_, SIGUSR2, [&] {
    ++second;
    loop_.stop();
  });
  ASSERT_EQ(::raise(SIGUSR2), 0);
  run();
  EXPECT_EQ(first, 0);
  EXPECT_EQ(second, 1);
}

TEST_F(SignalTest, MayBeDestroyedInItsCallback) {
  std::unique_ptr<Signal> signal;
  auto owned = std::make_shared<int>(7);
  int seen = 0;
  signal = std::make_unique<Signal>(loop_, SIGUSR1, [&, owned = std::move(owned)] {
    signal.reset();
    seen = *owned;  // the callback's own state lives until it returns
    loop_.stop();
  });
  ASSERT_EQ(::raise(SIGUSR1), 0);
  run();
  EXPECT_EQ(seen, 7);
}

TEST_F(SignalTest, DestroyedBeforeTheLoopTurnsItIsSilent) {
  int heard = 0;
  auto signal = std::make_unique<Signal>(loop_, SIGUSR1, [&] { ++heard; });
  ASSERT_EQ(::raise(SIGUSR1), 0);
  signal.reset();
  turn();
  EXPECT_EQ(heard, 0);
}

}  // namespace
}  // namespace usher::uv
