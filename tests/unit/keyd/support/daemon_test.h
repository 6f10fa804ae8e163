#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "keyd/daemon.h"
#include "tests/support/test_ca.h"
#include "tests/unit/keyd/support/fake_store.h"
#include "tests/unit/keyd/support/stored.h"
#include "tests/unit/keyd/support/subscriber.h"
#include "tests/unit/server/support/run_until.h"

// The real daemon and publisher between a store that the test plays and subscribers on a Unix
// socket.
namespace usher::keyd::test {

using server::test::run_for;
using server::test::run_until;

class DaemonTest : public ::testing::Test {
 protected:
  explicit DaemonTest(FleetPolicy policy = {{3h, 9h}, 1h, 10min}) : journal_(registry_) {
    daemon_.emplace(loop_, std::make_unique<FakeStore>(ledger_), policy, journal_);
    EXPECT_TRUE(daemon_->publisher().open(
        {{"unix:" + path(), path(), {}},
         {"tls:127.0.0.1:0", "", *SocketAddress::parse("127.0.0.1:0")}}));  // without certificates
    daemon_->publisher().configure(*Admission::of({}, {}), nullptr);
    daemon_->start();
  }

  std::string path() const { return directory_.path() + "/keyd.sock"; }

  void lead(std::uint64_t term = 1) { ledger_.events.on_leading({}, term); }
  void follow(FleetState state) { ledger_.events.on_following(std::move(state), "other:ctl.sock"); }

  // Connected, and its HELLO has been heard.
  std::unique_ptr<Subscriber> join(const std::string& node, unsigned char start = 1) {
    MemberId id{node, {}};
    id.instance.fill(std::byte{start});
    auto subscriber = std::make_unique<Subscriber>(path(), std::move(id));
    subscriber->hello();
    EXPECT_TRUE(until([&] {
      return daemon_->publisher().subscriber(subscriber->id()).has_value() || subscriber->refused();
    }));
    return subscriber;
  }
  bool until(std::function<bool()> holds) { return run_until(loop_, std::move(holds)); }
  void pass(std::chrono::milliseconds time = 30ms) { run_for(loop_, time); }
  bool gets_rings(Subscriber& subscriber, std::size_t count) {
    return until([&] { return subscriber.rings().size() >= count; });
  }

  // The outcome of a command: its status, 200 when it was carried out, 0 while it waits.
  Daemon::Done noted(int& status) {
    return [&status](const auto& changed) { status = changed ? 200 : changed.error().status; };
  }

  usher::test::TemporaryDirectory directory_;
  uv::Loop loop_;
  metrics::Registry registry_;
  Journal journal_;
  FakeStore::Ledger ledger_;
  std::optional<Daemon> daemon_;
};

}  // namespace usher::keyd::test
