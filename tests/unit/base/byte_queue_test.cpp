#include "proxy/base/byte_queue.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace usher {
namespace {

TEST(ByteQueue, GivesBackWhatWasAppendedInOrder) {
  ByteQueue queue;
  EXPECT_TRUE(queue.empty());
  queue.append(bytes_of("hello "));
  queue.append({});
  queue.append(bytes_of("world"));
  EXPECT_EQ(text_of(queue.view()), "hello world");
  queue.consume(6);
  EXPECT_EQ(text_of(queue.view()), "world");
  queue.consume(5);
  EXPECT_TRUE(queue.empty());
}

// Against a plain model, with sizes that force growth, compaction and wrap to the start.
TEST(ByteQueue, EqualsAModelUnderRandomUse) {
  std::mt19937 random(7);
  ByteQueue queue;
  std::string model;
  unsigned char next = 0;
  for (int step = 0; step < 20000; ++step) {
    if (random() % 2 == 0) {
      std::string some(random() % 700, '\0');
      for (char& c : some) {
        c = static_cast<char>(next++);
      }
      queue.append(bytes_of(some));
      model += some;
    } else {
      const std::size_t count = model.empty() ? 0 : random() % (model.size() + 1);
      queue.consume(count);
      model.erase(0, count);
    }
    ASSERT_EQ(queue.size(), model.size());
    ASSERT_EQ(text_of(queue.view()), model);
  }
}

TEST(ByteQueue, AppendIntoReservedRoomDoesNotMove) {
  ByteQueue queue(1000);
  queue.append(bytes_of("x"));
  const std::byte* before = queue.view().data();
  queue.append(bytes_of(std::string(999, 'y')));
  EXPECT_EQ(queue.view().data(), before);
}

TEST(ByteQueue, ReserveKeepsContent) {
  ByteQueue queue;
  queue.append(bytes_of("abc"));
  queue.consume(1);
  queue.reserve(100000);
  EXPECT_EQ(text_of(queue.view()), "bc");
}

TEST(ByteQueue, MovingLeavesAnEmptyQueueBehind) {
  ByteQueue source;
  source.append(bytes_of("abc"));
  ByteQueue made(std::move(source));
  EXPECT_EQ(text_of(made.view()), "abc");
  EXPECT_TRUE(source.empty());

  ByteQueue target;
  target.append(bytes_of("old"));
  target = std::move(made);
  EXPECT_EQ(text_of(target.view()), "abc");
  EXPECT_TRUE(made.empty());  // not "old"
  EXPECT_EQ(made.view().data(), nullptr);
}

TEST(ByteQueue, ReleaseGivesTheMemoryBack) {
  ByteQueue queue(4096);
  queue.append(bytes_of("abc"));
  queue.clear();
  EXPECT_NE(queue.view().data(), nullptr);
  queue.release();
  EXPECT_EQ(queue.view().data(), nullptr);
  queue.append(bytes_of("again"));
  EXPECT_EQ(text_of(queue.view()), "again");
}

TEST(ByteQueueDeathTest, ConsumingOrReleasingTooMuchEnds) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  ByteQueue queue;
  queue.append(bytes_of("abc"));
  EXPECT_DEATH(queue.consume(4), "CHECK failed");
  EXPECT_DEATH(queue.release(), "CHECK failed");
}

}  // namespace
}  // namespace usher
