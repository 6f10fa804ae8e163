#include "proxy/uv/poll.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>

#include "proxy/base/check.h"
#include "proxy/base/unique_fd.h"
#include "tests/unit/uv/support/loop_test.h"

namespace usher::uv {
namespace {

class PollTest : public LoopTest {
 protected:
  // Counts what one Poll is told and does what the test wants.
  struct Watcher {
    void on_ready(Ready now) {
      ++calls;
      last = now;
      if (then) {
        then();
      }
    }
    int calls = 0;
    Ready last;
    std::function<void()> then = nullptr;
    Poll poll = {};
  };

  struct Pipe {
    Pipe() {
      std::array<int, 2> ends{};
      CHECK(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0);
      reader = UniqueFd(ends[0]);
      writer = UniqueFd(ends[1]);
    }
    UniqueFd reader;
    UniqueFd writer;
  };

  bool open(Watcher& watcher, int fd) {
    return watcher.poll.open<&Watcher::on_ready>(loop_, fd, watcher);
  }

  static void send_byte(const UniqueFd& to) { EXPECT_EQ(::write(to.value(), "x", 1), 1); }

  static void send_byte_to_closed(const UniqueFd& to) {
    EXPECT_EQ(::send(to.value(), "x", 1, MSG_NOSIGNAL), -1);
  }

  SocketPair pair_;
};

TEST_F(PollTest, TellsWhatIsWatchedAndNothingElse) {
  Watcher watcher;
  ASSERT_TRUE(open(watcher, pair_.ours.value()));
  EXPECT_TRUE(watcher.poll.is_open());
  turn();
  EXPECT_EQ(watcher.calls, 0);  // nothing is watched at first

  watcher.then = [&] { loop_.stop(); };
  watcher.poll.watch(false, true);
  EXPECT_EQ(watcher.calls, 0);  // never inside watch()
  run();
  EXPECT_TRUE(watcher.last.writable);
  EXPECT_FALSE(watcher.last.readable);

  send_byte(pair_.theirs);
  watcher.poll.watch(true, false);
  run();
  EXPECT_TRUE(watcher.last.readable);
  EXPECT_FALSE(watcher.last.writable);

  watcher.poll.watch(true, true);
  run();
  EXPECT_TRUE(watcher.last.readable);
  EXPECT_TRUE(watcher.last.writable);
  EXPECT_FALSE(watcher.last.failed);

  const int before = watcher.calls;
  watcher.poll.watch(false, false);
  turn();
  EXPECT_EQ(watcher.calls, before);
}

TEST_F(PollTest, IsLevelTriggered) {
  Watcher watcher;
  ASSERT_TRUE(open(watcher, pair_.ours.value()));
  watcher.poll.watch(true, false);
  send_byte(pair_.theirs);
  watcher.then = [&] {
    if (watcher.calls == 3) {
      loop_.stop();
    }
  };
  run();
  EXPECT_EQ(watcher.calls, 3);
}

TEST_F(PollTest, TheOtherEndClosingIsReadable) {
  Watcher watcher;
  ASSERT_TRUE(open(watcher, pair_.ours.value()));
  watcher.poll.watch(true, false);
  watcher.then = [&] { loop_.stop(); };
  pair_.theirs.reset();
  run();
  EXPECT_TRUE(watcher.last.readable);
}

// A pipe whose reader is gone reports POLLERR: libuv stops watching, and so must our memory of it.
TEST_F(PollTest, AFailureEndsTheWatchUntilItIsAskedForAgain) {
  Pipe pipe;
  Watcher watcher;
  ASSERT_TRUE(open(watcher, pipe.writer.value()));
  pipe.reader.reset();
  watcher.poll.watch(false, true);
  turn();
  EXPECT_EQ(watcher.calls, 1);
  EXPECT_TRUE(watcher.last.failed);
  watcher.poll.watch(false, true);  // the same again, yet not "already watched"
  turn();
  EXPECT_EQ(watcher.calls, 2);
}

TEST_F(PollTest, AFailureIsToldThoughNothingElseIsWanted) {
  Pipe pipe;
  Watcher watcher;
  ASSERT_TRUE(open(watcher, pipe.writer.value()));
  watcher.poll.watch(false, false, true);
  turn();
  EXPECT_EQ(watcher.calls, 0);
  pipe.reader.reset();
  turn();
  EXPECT_EQ(watcher.calls, 1);
  EXPECT_TRUE(watcher.last.failed);
  turn();
  EXPECT_EQ(watcher.calls, 1);  // until it is asked for again
}

// Both directions are over: that is no failure where anything else is watched.
TEST_F(PollTest, AHangUpIsAFailureWhereOnlyFailuresAreWatched) {
  Watcher watcher;
  ASSERT_TRUE(open(watcher, pair_.ours.value()));
  pair_.theirs.reset();
  watcher.poll.watch(true, false, true);
  watcher.then = [&] {
    if (watcher.calls == 1) {
      EXPECT_TRUE(watcher.last.readable);
      watcher.poll.watch(false, false, true);
    }
  };
  turn();
  EXPECT_EQ(watcher.calls, 2);
  EXPECT_TRUE(watcher.last.failed);
}

TEST_F(PollTest, MayCloseItselfInItsCallback) {
  Watcher watcher;
  ASSERT_TRUE(open(watcher, pair_.ours.value()));
  send_byte(pair_.theirs);
  watcher.then = [&] {
    watcher.poll.close();
    pair_.ours.reset();
  };
  watcher.poll.watch(true, true);
  turn();
  EXPECT_EQ(watcher.calls, 1);
  EXPECT_FALSE(watcher.poll.is_open());
}

TEST_F(PollTest, MayBeDestroyedWithItsOwnerInItsCallback) {
  auto watcher = std::make_unique<Watcher>();
  ASSERT_TRUE(open(*watcher, pair_.ours.value()));
  int calls = 0;
  watcher->then = [&] {
    ++calls;
    const std::function<void()> kept = std::move(watcher->then);
    watcher.reset();
  };
  watcher->poll.watch(false, true);
  turn();
  EXPECT_EQ(calls, 1);
}

// Both are ready in one turn; the first to hear closes the other, whose event is already there.
TEST_F(PollTest, OneMayCloseAnotherThatIsReady) {
  SocketPair other_pair;
  Watcher first;
  Watcher second;
  first.then = [&] { second.poll.close(); };
  second.then = [&] { first.poll.close(); };
  ASSERT_TRUE(open(first, pair_.ours.value()));
  ASSERT_TRUE(open(second, other_pair.ours.value()));
  send_byte(pair_.theirs);
  send_byte(other_pair.theirs);
  first.poll.watch(true, false);
  second.poll.watch(true, false);
  turn(1);
  EXPECT_EQ(std::min(first.calls, second.calls), 0);
  EXPECT_GE(std::max(first.calls, second.calls), 1);
}

// The kernel gives the lowest number out again at once: events must go to the new owner only.
TEST_F(PollTest, TheDescriptorMayBeClosedAndItsNumberUsedAtOnce) {
  Watcher old_watcher;
  Watcher new_watcher;
  UniqueFd next_ours;
  UniqueFd next_theirs;
  old_watcher.then = [&] {
    const int number = pair_.ours.value();
    old_watcher.poll.close();
    pair_.ours.reset();
    SocketPair next;
    ASSERT_TRUE(next.ours.value() == number || next.theirs.value() == number);
    if (next.theirs.value() == number) {
      std::swap(next.ours, next.theirs);
    }
    next_ours = std::move(next.ours);
    next_theirs = std::move(next.theirs);
    ASSERT_TRUE(open(new_watcher, number));
    new_watcher.poll.watch(true, false);
  };
  ASSERT_TRUE(open(old_watcher, pair_.ours.value()));
  send_byte(pair_.theirs);
  old_watcher.poll.watch(true, false);
  turn();
  EXPECT_EQ(old_watcher.calls, 1);
  EXPECT_EQ(new_watcher.calls, 0);
  new_watcher.then = [&] { loop_.stop(); };
  send_byte(next_theirs);
  run();
  EXPECT_EQ(new_watcher.calls, 1);
  EXPECT_EQ(old_watcher.calls, 1);
}

TEST_F(PollTest, ReportsWhatCannotBePolledAsFailed) {
  const UniqueFd file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  Watcher watcher;
  EXPECT_FALSE(open(watcher, -1));
  EXPECT_FALSE(watcher.poll.is_open());
  ASSERT_TRUE(open(watcher, file.value()));
  watcher.poll.watch(true, false);
  watcher.then = [&] { loop_.stop(); };
  run();
  EXPECT_TRUE(watcher.last.failed);
  EXPECT_EQ(watcher.calls, 1);
  watcher.poll.close();
  EXPECT_TRUE(open(watcher, pair_.ours.value()));  // and is as good as new
}

TEST_F(PollTest, AnOwnerThatTriesAgainAtOnceDoesNotHoldTheLoopUp) {
  const UniqueFd file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  Watcher refused;
  ASSERT_TRUE(open(refused, file.value()));
  refused.then = [&] { refused.poll.watch(true, false); };
  refused.poll.watch(true, false);
  Watcher other;
  ASSERT_TRUE(open(other, pair_.ours.value()));
  other.poll.watch(true, false);
  other.then = [&] { loop_.stop(); };
  send_byte(pair_.theirs);
  run();
  EXPECT_TRUE(refused.last.unwatchable);
  EXPECT_GE(refused.calls, 1);
  EXPECT_EQ(other.calls, 1);
  EXPECT_FALSE(other.last.unwatchable);
}

TEST_F(PollTest, ClosesTheDescriptorWithItself) {
  Watcher watcher;
  ASSERT_TRUE(open(watcher, pair_.ours.value()));
  watcher.poll.watch(true, false);
  turn();
  watcher.poll.close_with(pair_.ours);
  EXPECT_FALSE(pair_.ours);
  EXPECT_FALSE(watcher.poll.is_open());
  send_byte_to_closed(pair_.theirs);
  turn();
  EXPECT_EQ(watcher.calls, 0);
}

TEST_F(PollTest, ClosingIsIdempotent) {
  Watcher watcher;
  watcher.poll.close();
  ASSERT_TRUE(open(watcher, pair_.ours.value()));
  watcher.poll.close();
  watcher.poll.close();
  EXPECT_FALSE(watcher.poll.is_open());
}

// Every idle connection owns two of them and a timer (DESIGN §8: 1.5 KiB for everything of ours).
TEST(Poll, IsSmall) {
  EXPECT_LE(sizeof(Poll), 40U);  // and a slot of 16 bytes; no handle of libuv's
  EXPECT_LE(sizeof(Timer), 24U);
}

}  // namespace
}  // namespace usher::uv
