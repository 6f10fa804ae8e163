// Which server a connection gets: pure tables of choices.
#include "proxy/backend/group.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace usher::backend {
namespace {

SocketAddress address(const std::string& text) {
  return *SocketAddress::parse(text);
}

// Servers "a", "b", "c"… with these weights and one address each: 10.0.0.1, 10.0.0.2…
config::Backend servers(std::vector<unsigned> weights,
                        config::Balance balance = config::Balance::kRoundRobin) {
  config::Backend backend;
  backend.balance = balance;
  for (const unsigned weight : weights) {
    backend.servers.push_back({"host", 80, weight});
  }
  return backend;
}

Endpoints one_address_each(std::size_t count) {
  Endpoints endpoints;
  for (std::size_t i = 1; i <= count; ++i) {
    endpoints.push_back({address("10.0.0." + std::to_string(i) + ":80")});
  }
  return endpoints;
}

SharedEndpoints fixed(Endpoints endpoints) {
  return std::make_shared<Snapshot<Endpoints>>(
      std::make_shared<const Endpoints>(std::move(endpoints)));
}

// The servers of `count` connections that all stay open, as letters.
std::string chosen(Group& group, int count) {
  std::string letters;
  for (int i = 0; i < count; ++i) {
    const auto choice = group.choose({});
    if (!choice) {
      return letters + "-";
    }
    group.connected(choice->server);
    letters += static_cast<char>('a' + choice->server);
  }
  return letters;
}

TEST(Group, RoundRobinTakesTurns) {
  Group group(servers({1, 1, 1}), fixed(one_address_each(3)));
  EXPECT_EQ(chosen(group, 6), "abcabc");
}

TEST(Group, AnAddressThatTwoServersShareIsTriedOnce) {
  Group group(servers({1, 1}), fixed({{address("10.0.0.1:80")}, {address("10.0.0.1:80")}}));
  Group::Tried tried;
  const auto first = group.choose(tried);
  ASSERT_TRUE(first);
  tried.choices.push_back(*first);
  EXPECT_FALSE(group.choose(tried));
}

TEST(Group, WeightsAreSpreadSmoothly) {
  Group group(servers({5, 1, 1}), fixed(one_address_each(3)));
  EXPECT_EQ(chosen(group, 14), "aabacaaaabacaa");
}

TEST(Group, LeastConnectionsCountsPerWeight) {
  Group group(servers({1, 2}, config::Balance::kLeastConnections), fixed(one_address_each(2)));
  std::string six = chosen(group, 6);
  EXPECT_EQ(std::ranges::count(six, 'a'), 2);
  EXPECT_EQ(std::ranges::count(six, 'b'), 4);
  group.disconnected(0);
  group.disconnected(0);
  EXPECT_EQ(chosen(group, 2), "aa");  // b still has four
}

TEST(Group, EqualLoadsTakeTurns) {
  Group group(servers({1, 1, 1}, config::Balance::kLeastConnections), fixed(one_address_each(3)));
  std::string letters;
  for (int i = 0; i < 6; ++i) {
    const std::string one = chosen(group, 1);
    group.disconnected(static_cast<std::size_t>(one[0] - 'a'));
    letters += one;
  }
  EXPECT_EQ(letters, "abcabc");
}

TEST(Group, ServersWithoutAddressesAreSkipped) {
  Endpoints endpoints = one_address_each(3);
  endpoints[1].clear();
  Group group(servers({1, 1, 1}), fixed(endpoints));
  EXPECT_EQ(chosen(group, 4), "acac");
  Group empty(servers({1}), fixed(Endpoints(1)));
  EXPECT_EQ(chosen(empty, 1), "-");
}

TEST(Group, NewAddressesAreSeenAtOnce) {
  auto snapshot =
      std::make_shared<Snapshot<Endpoints>>(std::make_shared<const Endpoints>(Endpoints(1)));
  Group group(servers({1}), snapshot);
  EXPECT_FALSE(group.choose({}));
  snapshot->publish(std::make_shared<const Endpoints>(one_address_each(1)));
  EXPECT_TRUE(group.choose({}));
}

TEST(Group, AddressesOfOneNameRotate) {
  Group group(servers({1}), fixed({{address("10.0.0.1:80"), address("10.0.0.2:80")}}));
  EXPECT_EQ(group.choose({})->address, address("10.0.0.1:80"));
  EXPECT_EQ(group.choose({})->address, address("10.0.0.2:80"));
  EXPECT_EQ(group.choose({})->address, address("10.0.0.1:80"));
}

TEST(Group, EachAddressIsTriedOnceAndOtherServersFirst) {
  Group group(servers({1, 1}),
              fixed({{address("10.0.0.1:80"), address("10.0.0.2:80")}, {address("10.0.0.3:80")}}));
  Group::Tried tried;
  std::string order;
  while (const auto choice = group.choose(tried)) {
    order += choice->address.ip_text().back();
    tried.choices.push_back(*choice);
    ASSERT_LE(tried.choices.size(), 3U);
  }
  EXPECT_EQ(order, "132");
}

}  // namespace
}  // namespace usher::backend
