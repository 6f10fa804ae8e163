// Which server comes next: pure tables of choices, with the time as an argument.
#include "proxy/backend/balancer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "proxy/backend/hash.h"
#include "proxy/base/mix.h"

namespace usher::backend {
namespace {

using namespace std::chrono_literals;
using Found = Balancer::Found;

SocketAddress address(const std::string& text) {
  return *SocketAddress::parse(text + ":80");
}

// Servers a, b, c… of these weights, with one address each: 10.0.0.1, 10.0.0.2…
config::Backend servers(const std::vector<unsigned>& weights,
                        config::Balance balance = config::Balance::kRoundRobin) {
  config::Backend backend;
  backend.balance = balance;
  backend.eject_after = 3;
  backend.eject_for = 10s;
  for (const unsigned weight : weights) {
    backend.servers.push_back(
        {std::string(1, static_cast<char>('a' + backend.servers.size())), 80, weight});
  }
  return backend;
}

Endpoints one_address_each(std::size_t count) {
  Endpoints endpoints;
  for (std::size_t i = 1; i <= count; ++i) {
    endpoints.push_back({address("10.0.0." + std::to_string(i))});
  }
  return endpoints;
}

// A balancer with what is around it.
struct Bench {
  explicit Bench(config::Backend own_settings, unsigned workers = 1)
      : settings(std::move(own_settings)),
        endpoints(one_address_each(settings.servers.size())),
        balancer(settings, workers) {}

  Balancer::View view() const { return {endpoints, now}; }
  // 'a' and so on; '-' nothing, '!' busy.
  char choose(const Balancer::Tried& tried = {}, std::uint64_t key = 0, bool idle_will_do = false) {
    std::size_t server = 0;
    switch (balancer.choose(view(), tried, key, idle_will_do, server)) {
      case Found::kServer:
        return static_cast<char>('a' + server);
      case Found::kBusy:
        return '!';
      case Found::kNone:
        break;
    }
    return '-';
  }
  // The servers of `count` connections, which all stay open.
  std::string chosen(int count) {
    std::string letters;
    for (int i = 0; i < count; ++i) {
      letters += choose();
      if (letters.back() >= 'a') {
        balancer.connected(static_cast<std::size_t>(letters.back() - 'a'));
      }
    }
    return letters;
  }
  int share_of_a(int count) {
    int share = 0;
    for (int i = 0; i < count; ++i) {
      share += choose() == 'a' ? 1 : 0;
    }
    return share;
  }
  void fail(std::size_t server, int times) {
    for (int i = 0; i < times; ++i) {
      (void)balancer.note_failure(view(), server);
    }
  }
  // All that tried addresses lead to, as their last digits.
  std::string order_of_addresses() {
    Balancer::Tried tried;
    std::string order;
    std::size_t server = 0;
    while (balancer.choose(view(), tried, 0, false, server) == Found::kServer) {
      const SocketAddress* next = balancer.next_address(view(), server, tried);
      tried.choices.push_back({server, *next});
      order += next->ip_text().back();
    }
    return order;
  }

  config::Backend settings;
  Endpoints endpoints;
  Balancer balancer;
  uv::LoopTime now{1'000'000};
};

TEST(Balancer, RoundRobinTakesTurns) {
  EXPECT_EQ(Bench(servers({1, 1, 1})).chosen(6), "abcabc");
}

TEST(Balancer, WeightsAreSpreadSmoothly) {
  EXPECT_EQ(Bench(servers({5, 1, 1})).chosen(14), "aabacaaaabacaa");
}

TEST(Balancer, LeastConnectionsCountsPerWeight) {
  Bench bench(servers({1, 2}, config::Balance::kLeastConnections));
  const std::string six = bench.chosen(6);
  EXPECT_EQ(std::ranges::count(six, 'a'), 2);
  EXPECT_EQ(std::ranges::count(six, 'b'), 4);
  bench.balancer.disconnected(0);
  bench.balancer.disconnected(0);
  EXPECT_EQ(bench.chosen(2), "aa");  // b still has four
}

TEST(Balancer, EqualLoadsTakeTurns) {
  Bench bench(servers({1, 1, 1}, config::Balance::kLeastConnections));
  EXPECT_EQ(bench.choose(), 'a');
  EXPECT_EQ(bench.choose(), 'b');
  EXPECT_EQ(bench.choose(), 'c');
  EXPECT_EQ(bench.choose(), 'a');
}

TEST(Balancer, IdleConnectionsAreNoLoad) {
  Bench bench(servers({1, 1}, config::Balance::kLeastConnections));
  EXPECT_EQ(bench.chosen(3), "abb");
  bench.balancer.set_idle(1, 2);
  EXPECT_EQ(bench.chosen(1), "b");
}

TEST(Balancer, ServersWithoutAddressesAreSkipped) {
  Bench bench(servers({1, 1, 1}));
  bench.endpoints[1].clear();
  EXPECT_EQ(bench.chosen(4), "acac");
  bench.endpoints = Endpoints(3);
  EXPECT_EQ(bench.chosen(1), "-");
}

TEST(Balancer, AddressesOfOneNameRotate) {
  Bench bench(servers({1}));
  bench.endpoints = {{address("10.0.0.1"), address("10.0.0.2")}};
  EXPECT_EQ(*bench.balancer.next_address(bench.view(), 0, {}), address("10.0.0.1"));
  EXPECT_EQ(*bench.balancer.next_address(bench.view(), 0, {}), address("10.0.0.2"));
  EXPECT_EQ(*bench.balancer.next_address(bench.view(), 0, {}), address("10.0.0.1"));
}

TEST(Balancer, EachAddressIsTriedOnceAndOtherServersFirst) {
  Bench bench(servers({1, 1}));
  bench.endpoints = {{address("10.0.0.1"), address("10.0.0.2")}, {address("10.0.0.3")}};
  EXPECT_EQ(bench.order_of_addresses(), "132");
  Bench shared(servers({1, 1}));
  shared.endpoints = {{address("10.0.0.1")}, {address("10.0.0.1")}};
  EXPECT_EQ(shared.order_of_addresses(), "1");
}

TEST(Balancer, AnAddressThatDoesNotAnswerComesLastForAWhile) {
  Bench bench(servers({1}));
  bench.endpoints = {{address("10.0.0.1"), address("10.0.0.2"), address("10.0.0.3")}};
  bench.balancer.note_address(0, address("10.0.0.2"), false, bench.now);
  for (int i = 0; i < 4; ++i) {
    EXPECT_NE(*bench.balancer.next_address(bench.view(), 0, {}), address("10.0.0.2"));
  }
  EXPECT_EQ(bench.order_of_addresses().back(), '2');
  bench.now += bench.settings.eject_for;
  std::string seen;
  for (int i = 0; i < 3; ++i) {
    seen += bench.balancer.next_address(bench.view(), 0, {})->ip_text().back();
  }
  EXPECT_NE(seen.find('2'), std::string::npos);
}

TEST(Balancer, AnAddressThatAnswersAgainTakesItsTurns) {
  Bench bench(servers({1}));
  bench.endpoints = {{address("10.0.0.1"), address("10.0.0.2")}};
  bench.balancer.note_address(0, address("10.0.0.2"), false, bench.now);
  bench.balancer.note_address(0, address("10.0.0.2"), true, bench.now);
  EXPECT_EQ(*bench.balancer.next_address(bench.view(), 0, {}), address("10.0.0.1"));
  EXPECT_EQ(*bench.balancer.next_address(bench.view(), 0, {}), address("10.0.0.2"));
}

TEST(Balancer, HashingSharesByWeight) {
  Bench bench(servers({1, 2, 1}, config::Balance::kHashClient));
  std::map<char, int> shares;
  constexpr int kKeys = 20'000;
  for (int i = 0; i < kKeys; ++i) {
    ++shares[bench.choose({}, hash_of("client " + std::to_string(i)))];
  }
  EXPECT_NEAR(shares['a'], kKeys / 4, kKeys / 50);
  EXPECT_NEAR(shares['b'], kKeys / 2, kKeys / 50);
  EXPECT_NEAR(shares['c'], kKeys / 4, kKeys / 50);
}

TEST(Balancer, AServerThatLeavesMovesOnlyItsOwnKeys) {
  const config::Backend four = servers({1, 1, 1, 1}, config::Balance::kHashHeader);
  Bench before(four);
  Bench down(four);
  down.balancer.set_up(1, false, down.now);
  config::Backend three = four;
  three.servers.erase(three.servers.begin() + 1);  // c is now the second
  Bench removed(three);
  int moved = 0;
  for (int i = 0; i < 2'000; ++i) {
    const std::uint64_t key = hash_of(std::to_string(i));
    const char first = before.choose({}, key);
    EXPECT_EQ(before.choose({}, key), first);
    moved += first == 'b' ? 1 : 0;
    if (first != 'b') {
      EXPECT_EQ(down.choose({}, key), first);
      EXPECT_EQ(removed.choose({}, key), first > 'b' ? first - 1 : first);
    } else {
      EXPECT_NE(down.choose({}, key), 'b');
    }
  }
  EXPECT_NEAR(moved, 500, 100);
}

TEST(Balancer, KeysGoToTheNextServerWhereTheirsIsFullOrTried) {
  config::Backend settings = servers({1, 1, 1}, config::Balance::kHashClient);
  settings.max_connections = 1;
  Bench bench(settings);
  const char first = bench.choose({}, 7);
  const std::size_t index = static_cast<std::size_t>(first - 'a');
  const char second = bench.choose({{{index, bench.endpoints[index][0]}}}, 7);
  EXPECT_NE(second, first);
  bench.balancer.connected(index);
  EXPECT_EQ(bench.choose({}, 7), second);
}

TEST(Balancer, LimitsAreSharedByTheWorkersRoundedUp) {
  config::Backend settings = servers({1});
  settings.max_connections = 5;
  EXPECT_EQ(Bench(settings, 2).chosen(4), "aaa!");
  EXPECT_EQ(Bench(settings, 8).chosen(2), "a!");
  settings.max_connections = 0;
  EXPECT_EQ(Bench(settings, 2).chosen(9), "aaaaaaaaa");
}

TEST(Balancer, AFullServerIsPassedOverAndOneWithIdleConnectionsIsNotFull) {
  config::Backend settings = servers({1, 1});
  settings.max_connections = 1;
  Bench bench(settings);
  EXPECT_EQ(bench.chosen(3), "ab!");
  EXPECT_FALSE(bench.balancer.has_room(bench.view()));
  bench.balancer.set_idle(1, 1);
  EXPECT_TRUE(bench.balancer.has_room(bench.view()));
  EXPECT_EQ(bench.choose({}, 0, true), 'b');
  bench.balancer.set_idle(1, 0);
  bench.balancer.disconnected(0);
  EXPECT_EQ(bench.choose({}, 0, true), 'a');
}

TEST(Balancer, FailuresInARowEjectForAWhile) {
  Bench bench(servers({1, 1}));
  bench.fail(0, 2);
  bench.balancer.note_success(0);
  bench.fail(0, 2);
  EXPECT_FALSE(bench.balancer.ejected(0));
  EXPECT_TRUE(bench.balancer.note_failure(bench.view(), 0));
  EXPECT_EQ(bench.chosen(4), "bbbb");
  EXPECT_EQ(bench.balancer.next_readmission(), bench.now + 10s);

  std::string back;
  const auto note = [&](std::size_t server) { back += static_cast<char>('a' + server); };
  bench.now += 9'999ms;
  bench.balancer.readmit(bench.now, note);
  EXPECT_EQ(back, "");
  bench.now += 1ms;
  bench.balancer.readmit(bench.now, note);
  EXPECT_EQ(back, "a");
  EXPECT_FALSE(bench.balancer.any_ejected());
  bench.fail(0, 2);
  EXPECT_FALSE(bench.balancer.ejected(0)) << "it begins anew";
}

TEST(Balancer, TheLastUsableServerIsNeverEjected) {
  Bench bench(servers({1, 1, 1}));
  bench.balancer.set_up(2, false, bench.now);
  bench.fail(0, 3);
  bench.fail(1, 9);
  EXPECT_TRUE(bench.balancer.ejected(0));
  EXPECT_FALSE(bench.balancer.ejected(1));
  EXPECT_EQ(bench.chosen(3), "bbb");
}

TEST(Balancer, WhenNobodyElseIsLeftTheEjectedAreUsed) {
  Bench bench(servers({1, 1}));
  bench.fail(0, 3);
  bench.balancer.set_up(1, false, bench.now);
  EXPECT_EQ(bench.chosen(2), "aa");
  bench.balancer.set_up(1, true, bench.now);
  EXPECT_EQ(bench.chosen(2), "bb");
  EXPECT_EQ(bench.order_of_addresses(), "21") << "a last resort";
}

TEST(Balancer, EjectionCanBeOff) {
  config::Backend settings = servers({1, 1});
  settings.eject_after = 0;
  Bench bench(settings);
  bench.fail(0, 1'000);
  EXPECT_FALSE(bench.balancer.ejected(0));
}

TEST(Balancer, WhatTheChecksFindDownIsNotUsedAtAll) {
  Bench bench(servers({1, 1}));
  bench.balancer.set_up(0, false, bench.now);
  EXPECT_EQ(bench.chosen(2), "bb");
  bench.balancer.set_up(1, false, bench.now);
  EXPECT_EQ(bench.chosen(1), "-");
}

TEST(Balancer, AServerThatComesBackStartsSlowly) {
  config::Backend settings = servers({1, 1});
  settings.slow_start = 100s;
  Bench bench(settings);
  EXPECT_EQ(bench.share_of_a(200), 100) << "not at the process's start";
  bench.balancer.set_up(0, false, bench.now);
  bench.now += 1s;
  bench.balancer.set_up(0, true, bench.now);
  EXPECT_NEAR(bench.share_of_a(1'100), 100, 2);  // a tenth against one
  bench.now += 50s;
  EXPECT_NEAR(bench.share_of_a(1'550), 550, 2);  // 0.55 against 1
  bench.now += 50s;
  EXPECT_NEAR(bench.share_of_a(200), 100, 2);
}

TEST(Balancer, SlowStartAlsoFollowsEjectionAndHoldsForEachBalance) {
  for (const config::Balance balance :
       {config::Balance::kRoundRobin, config::Balance::kLeastConnections,
        config::Balance::kHashClient}) {
    config::Backend settings = servers({1, 1}, balance);
    settings.slow_start = 100s;
    Bench bench(settings);
    bench.fail(0, 3);
    bench.now += 10s;
    bench.balancer.readmit(bench.now, [](std::size_t) {});
    int share = 0;
    for (std::uint64_t key = 0; key < 2'200; ++key) {
      share += bench.choose({}, mixed(key)) == 'a' ? 1 : 0;
    }
    EXPECT_NEAR(share, 200, 50) << static_cast<int>(balance);
  }
}

}  // namespace
}  // namespace usher::backend
