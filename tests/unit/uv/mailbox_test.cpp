#include "proxy/uv/mailbox.h"

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "tests/unit/uv/support/loop_test.h"

namespace usher::uv {
namespace {

using MailboxTest = LoopTest;

TEST_F(MailboxTest, WorkRunsOnTheLoopNotInsidePost) {
  Mailbox mailbox(loop_);
  std::thread::id ran_on;
  mailbox.post([&] {
    ran_on = std::this_thread::get_id();
    loop_.stop();
  });
  EXPECT_EQ(ran_on, std::thread::id());
  run();
  EXPECT_EQ(ran_on, std::this_thread::get_id());
}

TEST_F(MailboxTest, NothingOfManyThreadsIsLostOrReordered) {
  constexpr int kThreads = 4;
  constexpr int kEach = 5000;
  Mailbox mailbox(loop_);
  std::array<int, kThreads> next{};  // touched by the loop's thread only
  int arrived = 0;
  bool in_order = true;
  std::vector<std::thread> posters;
  for (int id = 0; id < kThreads; ++id) {
    posters.emplace_back([&, id] {
      for (int number = 0; number < kEach; ++number) {
        mailbox.post([&, id, number] {
          in_order = in_order && next[static_cast<std::size_t>(id)]++ == number;
          if (++arrived == kThreads * kEach) {
            loop_.stop();
          }
        });
      }
    });
  }
  run();
  for (std::thread& poster : posters) {
    poster.join();
  }
  EXPECT_EQ(arrived, kThreads * kEach);
  EXPECT_TRUE(in_order);
}

TEST_F(MailboxTest, WorkMayPostMore) {
  Mailbox mailbox(loop_);
  int depth = 0;
  std::function<void()> again = [&] { ++depth < 10 ? mailbox.post(again) : loop_.stop(); };
  mailbox.post(again);
  run();
  EXPECT_EQ(depth, 10);
}

TEST_F(MailboxTest, NothingRunsAfterClose) {
  Mailbox mailbox(loop_);
  bool ran = false;
  auto owned = std::make_shared<int>(1);
  const std::weak_ptr<int> watched = owned;
  mailbox.post([&ran, owned = std::move(owned)] { ran = true; });
  mailbox.close();
  EXPECT_TRUE(watched.expired());  // dropped, not kept
  mailbox.post([&ran] { ran = true; });
  mailbox.close();
  turn();
  EXPECT_FALSE(ran);
}

// The rest of the batch may name what the first piece of work has just destroyed.
TEST_F(MailboxTest, WorkMayDestroyTheMailboxAndTheRestIsDropped) {
  auto mailbox = std::make_unique<Mailbox>(loop_);
  bool rest = false;
  mailbox->post([&] { mailbox.reset(); });
  mailbox->post([&] { rest = true; });
  turn();
  EXPECT_EQ(mailbox, nullptr);
  EXPECT_FALSE(rest);
}

TEST_F(MailboxTest, DroppedWorkMayPostWhileItDies) {
  struct Poster {
    explicit Poster(Mailbox& to) : mailbox(to) {}
    ~Poster() {
      mailbox.post([] {});
    }
    Mailbox& mailbox;
  };
  Mailbox mailbox(loop_);
  mailbox.post([poster = std::make_shared<Poster>(mailbox)] {});
  mailbox.close();  // would wait for its own lock for ever
}

TEST_F(MailboxTest, PostingWhileItClosesIsSafe) {
  Mailbox mailbox(loop_);
  std::atomic<bool> over{false};
  std::thread poster([&] {
    while (!over) {
      mailbox.post([] {});
    }
  });
  turn(50);
  mailbox.close();
  turn();
  over = true;
  poster.join();
}

}  // namespace
}  // namespace usher::uv
