#include "proxy/base/snapshot.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace usher {
namespace {

struct Pair {
  explicit Pair(int number) : left(number), right(number) {}
  int left;
  int right;
};

TEST(Snapshot, ReadersSeeTheLatest) {
  Snapshot<int> snapshot(std::make_shared<const int>(1));
  Snapshot<int>::Reader reader(snapshot);
  EXPECT_EQ(reader.current(), 1);
  snapshot.publish(std::make_shared<const int>(2));
  EXPECT_EQ(reader.current(), 2);
  EXPECT_EQ(*snapshot.latest(), 2);
}

TEST(Snapshot, AnUnchangedStateIsNotFetchedAgain) {
  Snapshot<int> snapshot(std::make_shared<const int>(1));
  Snapshot<int>::Reader reader(snapshot);
  const int* first = &reader.current();
  EXPECT_EQ(&reader.current(), first);
  EXPECT_EQ(reader.current_shared().use_count(), 2);  // the snapshot and this reader
}

TEST(Snapshot, TheOldStateDiesWithItsLastReader) {
  auto old_state = std::make_shared<const int>(1);
  const std::weak_ptr<const int> watched = old_state;
  Snapshot<int> snapshot(std::move(old_state));
  Snapshot<int>::Reader reader(snapshot);
  std::shared_ptr<const int> kept = reader.current_shared();
  snapshot.publish(std::make_shared<const int>(2));
  EXPECT_EQ(*kept, 1);
  EXPECT_EQ(reader.current(), 2);
  EXPECT_FALSE(watched.expired());
  kept.reset();
  EXPECT_TRUE(watched.expired());
}

// A destructor of a state that reads the same snapshot: it must not run under the lock.
TEST(Snapshot, StatesMayReadItWhileTheyDie) {
  struct Curious {
    Snapshot<Curious>** source;
    ~Curious() {
      if (*source != nullptr) {
        (void)(*source)->latest();
      }
    }
  };
  Snapshot<Curious>* where = nullptr;
  {
    Snapshot<Curious> snapshot(std::make_shared<const Curious>(&where));
    where = &snapshot;
    snapshot.publish(std::make_shared<const Curious>(&where));
    Snapshot<Curious>::Reader reader(snapshot);
    (void)reader.current();
    snapshot.publish(std::make_shared<const Curious>(&where));
    (void)reader.current();
    where = nullptr;
  }
}

TEST(Snapshot, ManyReadersNeverSeeHalfAState) {
  Snapshot<Pair> snapshot(std::make_shared<const Pair>(0));
  constexpr int kLast = 5000;
  std::atomic<int> torn{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&snapshot, &torn] {
      Snapshot<Pair>::Reader reader(snapshot);
      for (int before = 0; before != kLast;) {
        const Pair& pair = reader.current();
        if (pair.left != pair.right || pair.left < before) {
          ++torn;
        }
        before = pair.left;
      }
    });
  }
  for (int number = 1; number <= kLast; ++number) {
    snapshot.publish(std::make_shared<const Pair>(number));
  }
  for (std::thread& reader : readers) {
    reader.join();
  }
  EXPECT_EQ(torn, 0);
}

}  // namespace
}  // namespace usher
