#include "proxy/server/ticket_rotation.h"

#include <gtest/gtest.h>

#include "proxy/uv/loop.h"

namespace usher::server {
namespace {

using std::chrono::milliseconds;

config::Tickets tickets(milliseconds every) {
  config::Tickets result;
  result.rotate_every = every;
  result.seal_max_age = every * 3;
  result.open_max_age = every * 9;
  return result;
}

class TicketRotationTest : public testing::Test {
 protected:
  ~TicketRotationTest() override { rotation_.close(); }
  keyring::KeyRing ring() const { return *rotation_.rings().latest(); }

  uv::Loop loop_;
  TicketRotation rotation_{loop_};
};

TEST_F(TicketRotationTest, BeginsWithoutKeysAndSealsOnceConfigured) {
  EXPECT_EQ(ring().sealing_key(BootClock::now()), nullptr);
  ASSERT_TRUE(rotation_.configure(tickets(std::chrono::hours(1))));
  EXPECT_NE(ring().sealing_key(BootClock::now()), nullptr);
}

TEST_F(TicketRotationTest, AReloadKeepsTheKeysAndTakesTheNewAges) {
  ASSERT_TRUE(rotation_.configure(tickets(std::chrono::hours(1))));
  const auto before = ring().entries().front().key->name;
  ASSERT_TRUE(rotation_.configure(tickets(std::chrono::hours(2))));
  EXPECT_EQ(ring().entries().front().key->name, before);
  EXPECT_EQ(ring().policy().seal_max_age, std::chrono::hours(6));
}

TEST_F(TicketRotationTest, AReloadThatChangesNothingLeavesTheRingAlone) {
  ASSERT_TRUE(rotation_.configure(tickets(std::chrono::hours(1))));
  const auto before = ring().version();
  ASSERT_TRUE(rotation_.configure(tickets(std::chrono::hours(1))));
  EXPECT_EQ(ring().version(), before);
}

TEST_F(TicketRotationTest, OffForgetsEveryKey) {
  ASSERT_TRUE(rotation_.configure(tickets(std::chrono::hours(1))));
  config::Tickets off;
  off.source = config::TicketSource::kOff;
  ASSERT_TRUE(rotation_.configure(off));
  EXPECT_TRUE(ring().entries().empty());
}

// Runs the real loop until the ring has rotated three times; a bound on turns keeps a failure from
// hanging.
TEST_F(TicketRotationTest, RotatesByItselfAndStillOpensTheOlderKeys) {
  ASSERT_TRUE(rotation_.configure(tickets(milliseconds(20))));
  const auto first = ring().entries().front().key->name;
  const auto first_version = ring().version();
  struct Watch {
    void look() {
      if (rotation.rings().latest()->entries().size() >= 4 || ++looks > 500) {
        loop.stop();
        return;
      }
      timer.start(milliseconds(5));
    }
    uv::Loop& loop;
    TicketRotation& rotation;
    uv::Timer timer{};
    int looks = 0;
  } watch{loop_, rotation_};
  watch.timer.open<&Watch::look>(loop_, watch);
  watch.timer.start(milliseconds(5));
  loop_.run();
  EXPECT_LE(watch.looks, 500);
  EXPECT_GT(ring().version(), first_version);
  EXPECT_TRUE(ring().opening_key(first, BootClock::now()));
  EXPECT_NE(ring().sealing_key(BootClock::now())->name, first);
}

}  // namespace
}  // namespace usher::server
