#include "proxy/server/process_limits.h"

#include <gtest/gtest.h>

#include "proxy/server/connection_limit.h"

namespace usher::server {
namespace {

config::Config two_workers(std::uint64_t max_connections) {
  config::Config config;
  config.process.workers = 2;
  config.process.max_connections = max_connections;
  config.listeners.resize(2);
  return config;
}

TEST(ProcessLimits, EachConnectionNeedsTwoDescriptorsBesideTheReserve) {
  // 128 + 2 workers × (8 + 2 listeners)
  EXPECT_EQ(connections_allowed(two_workers(0), 1148), 500U);
}

TEST(ProcessLimits, TheConfiguredNumberHoldsWhereItFits) {
  EXPECT_EQ(connections_allowed(two_workers(100), 1148), 100U);
  EXPECT_EQ(connections_allowed(two_workers(501), 1148), 500U);
}

TEST(ProcessLimits, AtLeastOneConnectionIsAllowed) {
  EXPECT_EQ(connections_allowed(two_workers(0), 64), 1U);
}

TEST(ConnectionLimit, IsReachedAtTheNumberAndFreedByACloseOrAHigherLimit) {
  ConnectionLimit limit(2);
  limit.opened();
  EXPECT_FALSE(limit.reached());
  limit.opened();
  EXPECT_TRUE(limit.reached());
  limit.closed();
  EXPECT_FALSE(limit.reached());
  limit.opened();
  limit.set_most(3);
  EXPECT_FALSE(limit.reached());
}

}  // namespace
}  // namespace usher::server
