#include "proxy/server/key_source.h"

#include <gtest/gtest.h>

#include "proxy/keyring/ring_changes.h"
#include "proxy/uv/loop.h"
#include "tests/support/test_ca.h"
#include "tests/unit/server/support/fake_keyd.h"
#include "tests/unit/server/support/fake_workers.h"
#include "tests/unit/server/support/run_until.h"

namespace usher::server {
namespace {

using config::TicketSource;
using keyring::KeyFileFormat;
using keyring::KeyState;
using std::chrono::milliseconds;
using test::FakeConnection;
using test::pushed_ring;

const char* const kEndpoint = "unix:/run/keyd.sock";

class KeySourceTest : public testing::Test {
 protected:
  ~KeySourceTest() override {
    keys_.close();
    mailbox_.close();
  }

  config::Config config_of(TicketSource source, milliseconds wait = std::chrono::hours(1)) {
    config::Config config;
    config.tickets.source = source;
    config.tickets.wait = wait;
    config.process.node = "proxy-1";
    if (source == TicketSource::kFile) {
      config.tickets.file = {directory_.write(
          "key", std::string(16, '\x90') + std::string(32, '\x91') + std::string(32, '\x92'))};
      config.tickets.seal_max_age.reset();
      config.tickets.open_max_age.reset();
    }
    if (source == TicketSource::kKeyd) {
      config.tickets.keyd = {kEndpoint};
    }
    return config;
  }
  void use(TicketSource source, milliseconds wait = std::chrono::hours(1)) {
    const config::Config config = config_of(source, wait);
    const auto inputs = load_key_inputs(config);
    ASSERT_TRUE(inputs) << inputs.error().messages.front();
    const auto configured = keys_.configure(config, *inputs);
    ASSERT_TRUE(configured) << configured.error().message;
  }
  void start() { keys_.start(workers_.takes()); }
  FakeConnection& link() {
    const std::size_t count = linked_++;
    EXPECT_TRUE(test::run_until(loop_, [&] { return keyd_.count() > count; }));
    keyd_[count].open();
    return keyd_[count];
  }

  std::shared_ptr<const keyring::KeyRing> ring() const { return keys_.rings().latest(); }
  std::shared_ptr<const keyring::KeyRing> session_ring() const {
    return keys_.session_rings().latest();
  }
  bool seals() const { return ring()->sealing_key(BootClock::now()) != nullptr; }
  keyring::KeyName sealing() const { return ring()->sealing_key(BootClock::now())->name; }
  bool opens(const keyring::KeyName& name) const {
    return ring()->opening_key(name, BootClock::now()).has_value();
  }

  ::usher::test::TemporaryDirectory directory_;
  uv::Loop loop_;
  uv::Mailbox mailbox_{loop_};
  metrics::Registry registry_;
  test::FakeKeyd keyd_;
  std::size_t linked_ = 0;
  int became_ready_ = 0;
  KeySource keys_{{.loop = loop_,
                   .mailbox = mailbox_,
                   .registry = registry_,
                   .node = "proxy-1",
                   .workers = 2,
                   .connect = keyd_.connect(),
                   .times = {},
                   .future_names = [] { return std::uint64_t{0}; },
                   .on_ready = [this] { ++became_ready_; }}};
  test::FakeWorkers workers_{keys_.rings(), 2};
};

TEST_F(KeySourceTest, EmbeddedKeysAreReadyAtOnce) {
  use(TicketSource::kEmbedded);
  EXPECT_TRUE(keys_.ready());
  EXPECT_TRUE(seals());
  EXPECT_EQ(keys_.key_status().source, "embedded");
}

TEST_F(KeySourceTest, KeydIsWaitedForUntilEveryWorkerReadsItsRing) {
  use(TicketSource::kKeyd);
  start();
  workers_.hold(1);
  EXPECT_FALSE(keys_.ready());
  link().push(pushed_ring({1, 3}));
  test::run_for(loop_, milliseconds(5));
  EXPECT_FALSE(keys_.ready());
  workers_.release(1);
  ASSERT_TRUE(test::run_until(loop_, [&] { return became_ready_ == 1; }));
  EXPECT_TRUE(keys_.ready());
  EXPECT_TRUE(seals());
  EXPECT_EQ(keyd_[0].sent.back(), "APPLIED 1.3");
}

TEST_F(KeySourceTest, KeydIsWaitedForNoLongerThanWait) {
  use(TicketSource::kKeyd, milliseconds(30));
  start();
  const auto begun = std::chrono::steady_clock::now();
  ASSERT_TRUE(test::run_until(loop_, [&] { return became_ready_ == 1; }));
  EXPECT_GE(std::chrono::steady_clock::now() - begun, milliseconds(25));
  EXPECT_FALSE(seals());
  link().push(pushed_ring({1, 3}));
  EXPECT_TRUE(seals());
  test::run_for(loop_, milliseconds(5));
  EXPECT_EQ(became_ready_, 1);
}

TEST_F(KeySourceTest, WithKeydNothingSealsButWhatKeydSends) {
  use(TicketSource::kEmbedded);
  start();
  const auto own = sealing();
  use(TicketSource::kKeyd);
  EXPECT_TRUE(keys_.ready());
  EXPECT_FALSE(seals());
  EXPECT_TRUE(opens(own));
  const auto pushed = pushed_ring({1, 3});
  link().push(pushed);
  EXPECT_EQ(sealing(), pushed.entries().front().key->name);
  EXPECT_TRUE(opens(own));
}

TEST_F(KeySourceTest, WhoLeavesKeydSaysByeAndGoesOnOpeningItsKeys) {
  use(TicketSource::kKeyd);
  start();
  link().push(pushed_ring({1, 3}));
  const auto pushed = sealing();
  use(TicketSource::kEmbedded);
  EXPECT_EQ(keyd_[0].sent.back(), "BYE");
  EXPECT_TRUE(seals());
  EXPECT_NE(sealing(), pushed);
  EXPECT_TRUE(opens(pushed));
  keyd_[0].close("closed here");
  EXPECT_FALSE(keyd_[0].alive);
}

TEST_F(KeySourceTest, WhoComesBackToKeydIsAnotherSubscriber) {
  use(TicketSource::kKeyd);
  link();
  use(TicketSource::kOff);
  use(TicketSource::kKeyd);
  FakeConnection& again = link();
  EXPECT_NE(again.hellos.front().instance, keyd_[0].hellos.front().instance);
}

TEST_F(KeySourceTest, OffForgetsEveryKey) {
  use(TicketSource::kEmbedded);
  const auto own = sealing();
  use(TicketSource::kOff);
  EXPECT_TRUE(ring()->entries().empty());
  EXPECT_TRUE(keys_.ready());
  use(TicketSource::kEmbedded);
  EXPECT_FALSE(opens(own));
}

TEST_F(KeySourceTest, OffHasKeysOfItsOwnForSessionsThatSealNoTicket) {
  use(TicketSource::kEmbedded);
  EXPECT_EQ(session_ring(), ring());
  const auto own = sealing();
  use(TicketSource::kOff);
  const auto* key = session_ring()->sealing_key(BootClock::now());
  ASSERT_NE(key, nullptr);
  const keyring::KeyName for_sessions = key->name;
  EXPECT_NE(for_sessions, own);
  EXPECT_FALSE(session_ring()->opening_key(own, BootClock::now()));
  EXPECT_TRUE(ring()->entries().empty());
  EXPECT_TRUE(keys_.key_status().ring->entries().empty());
  use(TicketSource::kOff);  // a reload
  EXPECT_EQ(session_ring()->sealing_key(BootClock::now())->name, for_sessions);
  use(TicketSource::kEmbedded);
  EXPECT_EQ(session_ring(), ring());
  EXPECT_NE(sealing(), for_sessions);
  EXPECT_TRUE(opens(for_sessions));  // or the sessions of before would be lost
}

TEST_F(KeySourceTest, FilesAreASourceLikeTheOthers) {
  use(TicketSource::kEmbedded);
  const auto own = sealing();
  use(TicketSource::kFile);
  EXPECT_EQ(keys_.key_status().source, "file");
  EXPECT_EQ(keys_.key_status().files.size(), 1U);
  keyring::KeyName name;
  name.fill(std::byte{0x90});
  EXPECT_EQ(sealing(), name);
  EXPECT_TRUE(opens(own));
}

TEST_F(KeySourceTest, AReloadThatKeepsKeydKeepsRingAndLink) {
  use(TicketSource::kKeyd);
  start();
  link().push(pushed_ring({1, 3}));
  const auto pushed = sealing();
  use(TicketSource::kKeyd);
  EXPECT_EQ(sealing(), pushed);
  EXPECT_TRUE(keyd_[0].alive);
  test::run_for(loop_, milliseconds(5));
  EXPECT_EQ(keyd_.count(), 1U);
}

TEST_F(KeySourceTest, DrainingSaysByeOnceAndTellsWhenItIsOut) {
  use(TicketSource::kKeyd);
  start();
  link().push(pushed_ring({1, 3}));
  keys_.leave();
  keys_.leave();
  EXPECT_EQ(keyd_[0].sent.back(), "BYE");
  EXPECT_TRUE(seals());
  bool left = false;
  keys_.when_left([&] { left = true; });
  test::run_for(loop_, milliseconds(5));
  EXPECT_FALSE(left);
  keyd_[0].close("closed here");
  EXPECT_TRUE(left);
  EXPECT_EQ(std::ranges::count(keyd_[0].sent, "BYE"), 1);
}

TEST_F(KeySourceTest, WithoutKeydThereIsNobodyToLeave) {
  use(TicketSource::kEmbedded);
  keys_.leave();
  bool left = false;
  keys_.when_left([&] { left = true; });
  EXPECT_TRUE(left);
}

TEST_F(KeySourceTest, TheStatusShowsEndpointsWorkersAndTheDigestThatWasPushed) {
  use(TicketSource::kKeyd);
  start();
  const auto pushed = pushed_ring({1, 3});
  link().push(pushed);
  ASSERT_TRUE(test::run_until(loop_, [&] { return keys_.ready(); }));
  const KeyStatus status = keys_.key_status();
  EXPECT_EQ(status.source, "keyd");
  EXPECT_EQ(status.pushed_digest, keyring::digest_of(pushed));
  EXPECT_EQ(status.workers, (std::vector<keyring::KeyRing::Version>{{1, 3}, {1, 3}}));
  ASSERT_EQ(status.endpoints.size(), 1U);
  EXPECT_EQ(status.endpoints[0].endpoint, kEndpoint);
  EXPECT_TRUE(status.endpoints[0].connected);
  EXPECT_EQ(status.endpoints[0].peer, "uid=0");
  EXPECT_EQ(status.endpoints[0].last_pushed, (keyring::KeyRing::Version{1, 3}));
}

TEST_F(KeySourceTest, MetricsFollowTheLinkAndTheRing) {
  use(TicketSource::kKeyd);
  start();
  const std::string row = "usher_keyd_connected{endpoint=\"unix:/run/keyd.sock\"} ";
  EXPECT_NE(registry_.text().find(row + "0"), std::string::npos);
  FakeConnection& connection = link();
  connection.push(pushed_ring({2, 3}));
  connection.push(pushed_ring({1, 9}, 50));
  ASSERT_TRUE(test::run_until(loop_, [&] { return keys_.ready(); }));
  const std::string text = registry_.text();
  EXPECT_NE(text.find(row + "1"), std::string::npos) << text;
  EXPECT_NE(text.find("usher_ring_refused_total{reason=\"lower\"} 1"), std::string::npos) << text;
  EXPECT_NE(text.find("usher_ring_apply_seconds_count 1"), std::string::npos) << text;
  use(TicketSource::kEmbedded);
  EXPECT_EQ(registry_.text().find(row), std::string::npos);
}

TEST_F(KeySourceTest, EmbeddedKeysObeyTheirOperator) {
  use(TicketSource::kEmbedded);
  const auto first = sealing();
  const auto rotated = keys_.rotate();
  ASSERT_TRUE(rotated);
  EXPECT_EQ(rotated->version, ring()->version());
  EXPECT_NE(sealing(), first);
  ASSERT_TRUE(keys_.revoke(first));
  EXPECT_FALSE(opens(first));
  ASSERT_TRUE(keys_.rotate());
  auto file = keys_.export_keys(KeyFileFormat::kHaproxy);
  ASSERT_TRUE(file) << file.error().why;
  ASSERT_NE(keyring::find_key(*ring(), KeyState::kNext), nullptr);
  EXPECT_TRUE(keys_.export_keys(KeyFileFormat::kUsher));
}

TEST_F(KeySourceTest, KeysOfOthersAreChangedThereAndTheRefusalSaysWhere) {
  use(TicketSource::kKeyd);
  link().push(pushed_ring({1, 3}));
  for (const auto& refused : {keys_.rotate(), keys_.revoke(sealing()),
                              keys_.import_keys(KeyFileFormat::kNginx, SecretBuffer(80), true)}) {
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().status, 409);
    EXPECT_NE(refused.error().why.find(kEndpoint), std::string::npos);
  }
  EXPECT_TRUE(keys_.export_keys(KeyFileFormat::kUsher));
  use(TicketSource::kFile);
  const auto refused = keys_.rotate();
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().why.find(directory_.path()), std::string::npos);
  use(TicketSource::kOff);
  EXPECT_EQ(keys_.rotate().error().status, 409);
  EXPECT_EQ(keys_.export_keys(KeyFileFormat::kUsher).error().status, 409);
}

}  // namespace
}  // namespace usher::server
