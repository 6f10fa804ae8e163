#include "proxy/uv/timer.h"

#include <chrono>
#include <functional>
#include <memory>

#include "tests/unit/uv/support/loop_test.h"

namespace usher::uv {
namespace {

using std::chrono::milliseconds;

class TimerTest : public LoopTest {
 protected:
  void open(Timer& timer) { timer.open<&TimerTest::on_timer>(loop_, *this); }

  void on_timer() {
    ++fired;
    if (then) {
      then();
    }
  }

  int fired = 0;
  std::function<void()> then = [this] { loop_.stop(); };
};

TEST_F(TimerTest, FiresOnceAndNotBeforeItsTime) {
  Timer timer;
  open(timer);
  EXPECT_FALSE(timer.active());
  const auto begun = std::chrono::steady_clock::now();
  timer.start(milliseconds(20));
  EXPECT_TRUE(timer.active());
  run();
  EXPECT_GE(std::chrono::steady_clock::now() - begun, milliseconds(19));  // cached time, whole ms
  EXPECT_FALSE(timer.active());
  turn();
  EXPECT_EQ(fired, 1);
}

TEST_F(TimerTest, StartingAgainMovesIt) {
  Timer timer;
  open(timer);
  timer.start(milliseconds(0));
  timer.start(std::chrono::hours(1));
  turn();
  EXPECT_EQ(fired, 0);
  timer.start(milliseconds(0));
  run();
  EXPECT_EQ(fired, 1);
}

TEST_F(TimerTest, NoCallbackAfterStopOrDestruction) {
  Timer stopped;
  open(stopped);
  stopped.start(milliseconds(0));
  stopped.stop();
  EXPECT_FALSE(stopped.active());
  auto destroyed = std::make_unique<Timer>();
  open(*destroyed);
  destroyed->start(milliseconds(0));
  destroyed.reset();
  turn();
  EXPECT_EQ(fired, 0);
}

TEST_F(TimerTest, RepeatsByStartingInItsOwnCallback) {
  Timer timer;
  open(timer);
  then = [&] { fired < 5 ? timer.start(milliseconds(1)) : loop_.stop(); };
  timer.start(milliseconds(1));
  run();
  EXPECT_EQ(fired, 5);
}

TEST_F(TimerTest, ANegativeDelayIsNone) {
  Timer timer;
  open(timer);
  timer.start(milliseconds(-5));
  run();
  EXPECT_EQ(fired, 1);
}

TEST_F(TimerTest, MayBeClosedOrDestroyedInItsOwnCallback) {
  Timer closed;
  open(closed);
  then = [&] { closed.close(); };
  closed.start(milliseconds(0));
  turn();
  auto destroyed = std::make_unique<Timer>();
  open(*destroyed);
  then = [&] { destroyed.reset(); };
  destroyed->start(milliseconds(0));
  turn();
  EXPECT_EQ(fired, 2);
}

// Both are due in the same turn: whichever is first takes the other with it.
TEST_F(TimerTest, OneMayCloseAnotherThatIsDue) {
  Timer first;
  Timer second;
  open(first);
  open(second);
  then = [&] {
    first.close();
    second.close();
  };
  first.start(milliseconds(0));
  second.start(milliseconds(0));
  turn();
  EXPECT_EQ(fired, 1);
}

TEST_F(TimerTest, ClosingIsIdempotentAndAClosedTimerIsNotActive) {
  Timer timer;
  timer.close();
  timer.stop();
  EXPECT_FALSE(timer.active());
  open(timer);
  timer.start(milliseconds(0));
  timer.close();
  timer.close();
  timer.stop();
  EXPECT_FALSE(timer.active());
  open(timer);  // opened anew
  timer.start(milliseconds(0));
  run();
  EXPECT_EQ(fired, 1);
}

}  // namespace
}  // namespace usher::uv
