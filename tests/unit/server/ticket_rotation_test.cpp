#include "proxy/server/ticket_rotation.h"

#include <gtest/gtest.h>

#include "proxy/keyring/ring_changes.h"
#include "proxy/uv/loop.h"
#include "tests/unit/server/support/run_until.h"

namespace usher::server {
namespace {

using keyring::KeyFileFormat;
using keyring::KeyState;
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
  ~TicketRotationTest() override {
    rotation_.close();
    rings_.close();
    mailbox_.close();
  }
  keyring::KeyRing ring() const { return *rings_.rings().latest(); }
  keyring::KeyName current() const {
    return keyring::find_key(ring(), KeyState::kCurrent)->key->name;
  }
  void begin() { ASSERT_TRUE(rotation_.configure(tickets(std::chrono::hours(1)))); }
  SecretBuffer nginx_file(unsigned seed) {
    SecretBuffer bytes(80);
    std::ranges::fill(bytes.bytes().first(16), static_cast<std::byte>(seed));
    std::ranges::fill(bytes.bytes().subspan(16, 32), static_cast<std::byte>(seed + 1));
    std::ranges::fill(bytes.bytes().subspan(48), static_cast<std::byte>(seed + 2));
    return bytes;
  }

  uv::Loop loop_;
  uv::Mailbox mailbox_{loop_};
  RingInForce rings_{loop_, mailbox_, [](RingInForce::Publication) {}};
  TicketRotation rotation_{loop_, rings_};
};

TEST_F(TicketRotationTest, BeginsWithoutKeysAndSealsOnceConfigured) {
  EXPECT_EQ(ring().sealing_key(BootClock::now()), nullptr);
  begin();
  EXPECT_NE(ring().sealing_key(BootClock::now()), nullptr);
}

TEST_F(TicketRotationTest, AReloadKeepsTheKeysAndTakesTheNewAges) {
  begin();
  const auto before = current();
  ASSERT_TRUE(rotation_.configure(tickets(std::chrono::hours(2))));
  EXPECT_EQ(current(), before);
  EXPECT_EQ(ring().policy().seal_max_age, std::chrono::hours(6));
}

TEST_F(TicketRotationTest, AReloadThatChangesNothingLeavesTheRingAlone) {
  begin();
  const auto before = ring().version();
  begin();
  EXPECT_EQ(ring().version(), before);
}

TEST_F(TicketRotationTest, RotatesByItselfAndStillOpensTheOlderKeys) {
  config::Tickets often = tickets(milliseconds(20));
  often.open_max_age = std::chrono::hours(1);  // however long it takes
  ASSERT_TRUE(rotation_.configure(often));
  const auto first = current();
  const auto first_version = ring().version();
  ASSERT_TRUE(test::run_until(loop_, [&] { return ring().entries().size() >= 4; }));
  EXPECT_GT(ring().version(), first_version);
  EXPECT_TRUE(ring().opening_key(first, BootClock::now()));
  EXPECT_NE(ring().sealing_key(BootClock::now())->name, first);
}

TEST_F(TicketRotationTest, ARotationByHandSealsWithANewKeyAtOnce) {
  begin();
  const auto before = current();
  ASSERT_TRUE(rotation_.rotate_now());
  EXPECT_NE(current(), before);
  EXPECT_TRUE(ring().opening_key(before, BootClock::now()));
}

TEST_F(TicketRotationTest, ARotationByHandBeyondAFullRingIsRefused) {
  begin();
  while (ring().entries().size() < keyring::kMaxKeys) {
    ASSERT_TRUE(rotation_.rotate_now());
  }
  const auto refused = rotation_.rotate_now();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().status, 409);
  EXPECT_NE(refused.error().why.find("64 keys"), std::string::npos);
}

TEST_F(TicketRotationTest, ARevokedKeyIsGoneAndEndsEveryLineageUntilNow) {
  begin();
  const auto revoked = current();
  const UnixSeconds before = unix_now();
  ASSERT_TRUE(rotation_.revoke(revoked));
  EXPECT_FALSE(ring().opening_key(revoked, BootClock::now()));
  EXPECT_NE(ring().sealing_key(BootClock::now()), nullptr);
  EXPECT_GE(ring().lineage_not_before(), before);
}

TEST_F(TicketRotationTest, AnUnknownKeyCannotBeRevoked) {
  begin();
  const auto refused = rotation_.revoke(keyring::KeyName{});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().status, 404);
}

TEST_F(TicketRotationTest, ImportedKeysOfNginxOpenAndNeverSeal) {
  begin();
  const auto sealing = current();
  const auto imported = rotation_.import_keys(KeyFileFormat::kNginx, nginx_file(1), false);
  ASSERT_TRUE(imported) << imported.error().why;
  EXPECT_EQ(*imported, 1U);
  keyring::KeyName name;
  name.fill(std::byte{1});
  ASSERT_TRUE(ring().opening_key(name, BootClock::now()));
  EXPECT_EQ(ring().opening_key(name, BootClock::now())->state, KeyState::kPrevious);
  EXPECT_EQ(current(), sealing);
}

TEST_F(TicketRotationTest, AnImportOverwritesOnlyWhenItIsToldTo) {
  begin();
  ASSERT_TRUE(rotation_.import_keys(KeyFileFormat::kNginx, nginx_file(1), false));
  const auto refused = rotation_.import_keys(KeyFileFormat::kNginx, nginx_file(1), false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().status, 409);
  EXPECT_TRUE(rotation_.import_keys(KeyFileFormat::kNginx, nginx_file(1), true));
}

TEST_F(TicketRotationTest, ADamagedImportIsTheFilesFault) {
  begin();
  const auto refused = rotation_.import_keys(KeyFileFormat::kNginx, SecretBuffer(79), false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().status, 400);
}

TEST_F(TicketRotationTest, AnExportedRingComesBackWhole) {
  begin();
  const auto before = current();
  auto file = keyring::format_keys(ring(), KeyFileFormat::kUsher, BootClock::now());
  ASSERT_TRUE(file);
  ASSERT_TRUE(rotation_.rotate_now());
  SecretBuffer copy(file->size());
  std::ranges::copy(file->bytes(), copy.bytes().begin());
  const auto refused = rotation_.import_keys(KeyFileFormat::kUsher, std::move(copy), false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().status, 409);
  const auto version = ring().version();
  ASSERT_TRUE(rotation_.import_keys(KeyFileFormat::kUsher, *std::move(file), true));
  EXPECT_EQ(current(), before);
  EXPECT_GT(ring().version(), version);
}

TEST_F(TicketRotationTest, ANextKeyThatWasMadeIsWhatTheNextRotationPromotes) {
  begin();
  ASSERT_TRUE(rotation_.make_next());
  const auto next = keyring::find_key(ring(), KeyState::kNext)->key->name;
  const auto version = ring().version();
  ASSERT_TRUE(rotation_.make_next());
  EXPECT_EQ(ring().version(), version);
  ASSERT_TRUE(rotation_.rotate_now());
  EXPECT_EQ(current(), next);
}

}  // namespace
}  // namespace usher::server
