#include "proxy/uv/loop.h"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/unit/uv/support/loop_test.h"

namespace usher::uv {
namespace {

TEST(Loop, RunEndsWhenNothingIsLeftToWaitFor) {
  Loop loop;
  loop.run();
  bool ran = false;
  loop.defer([&] { ran = true; });
  loop.run();
  EXPECT_TRUE(ran);
}

TEST_F(LoopTest, DeferredWorkRunsInOrderOutsideOfTheCallback) {
  std::string order;
  struct Owner {
    void on_timer() {
      loop.defer([this] { order += "b"; });
      loop.defer([this] {
        order += "c";
        loop.stop();
      });
      order += "a";
    }
    Loop& loop;
    std::string& order;
  } owner{loop_, order};
  Timer timer;
  timer.open<&Owner::on_timer>(loop_, owner);
  timer.start(std::chrono::milliseconds(1));
  run();
  EXPECT_EQ(order, "abc");
}

// Work that defers itself for ever must neither hold up the turn nor let the loop sleep.
TEST_F(LoopTest, WorkDeferredByWorkWaitsForTheNextTurn) {
  std::vector<int> turns_seen;
  int turns = 0;
  loop_.at_turn_start([&] { ++turns; });
  std::function<void()> again = [&] {
    turns_seen.push_back(turns);
    turns_seen.size() < 4 ? loop_.defer(again) : loop_.stop();
  };
  loop_.defer(again);
  run();
  EXPECT_EQ(turns_seen, (std::vector<int>{1, 2, 3, 4}));
}

TEST_F(LoopTest, HookRunsOnceATurnBeforeDeferredWork) {
  std::string order;
  loop_.at_turn_start([&] { order += "h"; });
  loop_.defer([&] {
    order += "1";
    loop_.defer([&] {
      order += "2";
      loop_.stop();
    });
  });
  run();
  EXPECT_EQ(order, "h1h2");
}

TEST_F(LoopTest, AnIdleLoopDoesNotTurn) {
  int turns = 0;
  loop_.at_turn_start([&] { ++turns; });
  struct Owner {
    void on_timer() { loop.stop(); }
    Loop& loop;
  } owner{loop_};
  Timer timer;
  timer.open<&Owner::on_timer>(loop_, owner);
  timer.start(std::chrono::milliseconds(50));
  run();
  EXPECT_LE(turns, 4);
}

TEST_F(LoopTest, StopLetsTheTurnEnd) {
  bool second = false;
  loop_.defer([&] { loop_.stop(); });
  loop_.defer([&] { second = true; });
  run();
  EXPECT_TRUE(second);
}

struct TimerOwner {
  void on_timer() { FAIL(); }
};

// What waits may be the last owner of handles: they must be closed before the loop is.
TEST(Loop, DestructionDropsDeferredWorkAndWhatItOwns) {
  auto loop = std::make_unique<Loop>();
  TimerOwner owner;
  auto timer = std::make_shared<Timer>();
  timer->open<&TimerOwner::on_timer>(*loop, owner);
  bool ran = false;
  loop->defer([&ran, timer] { ran = true; });
  const std::weak_ptr<Timer> watched = std::exchange(timer, nullptr);
  loop.reset();
  EXPECT_FALSE(ran);
  EXPECT_TRUE(watched.expired());
}

TEST(LoopDeathTest, DestructionNamesHandlesLeftOver) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        TimerOwner owner;
        Timer timer;
        Loop loop;
        timer.open<&TimerOwner::on_timer>(loop, owner);
        timer.start(std::chrono::milliseconds(0));  // due, but nobody is there to be called
      },
      "open handles:(.|\n)*timer");
}

#ifndef NDEBUG
TEST(LoopDeathTest, AnotherThreadMayNotTouchIt) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        Loop loop;
        std::thread([&] { loop.stop(); }).join();
      },
      "CHECK failed");
}
#endif

// Made by one thread, run by another, destroyed by the first: as workers are.
TEST(Loop, BelongsToTheThreadThatRunsIt) {
  Loop loop;
  int ran = 0;
  loop.defer([&] {
    loop.defer([&] { ++ran; });  // asserts the thread in debug builds
  });
  std::thread([&] { loop.run(); }).join();
  EXPECT_EQ(ran, 1);
}

}  // namespace
}  // namespace usher::uv
