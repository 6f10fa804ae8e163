#include "proxy/server/listening_sockets.h"

#include <gtest/gtest.h>

namespace usher::server {
namespace {

config::Listener listener(const std::string& name, const std::string& address) {
  config::Listener result;
  result.name = name;
  result.address = *SocketAddress::parse(address);
  result.place = {"usher.toml", 7};
  return result;
}

TEST(ListeningSockets, EveryWorkerGetsItsOwnSocketOnOnePort) {
  const auto bound = bind_listeners({listener("web", "127.0.0.1:0")}, {}, 3);
  ASSERT_TRUE(bound);
  ASSERT_EQ(bound->size(), 1U);
  EXPECT_EQ(bound->front().per_worker.size(), 3U);
  EXPECT_NE(bound->front().address.port(), 0);
}

TEST(ListeningSockets, KnownListenersAreNotBoundAgain) {
  const auto web = listener("web", "127.0.0.1:0");
  const std::map<std::string, SocketAddress> known{{socket_key(web), web.address}};
  const auto bound = bind_listeners({web, listener("api", "127.0.0.1:0")}, known, 1);
  ASSERT_TRUE(bound);
  ASSERT_EQ(bound->size(), 1U);
  EXPECT_EQ(bound->front().key, "127.0.0.1:0 api");
}

TEST(ListeningSockets, AnAddressThatIsNotOursIsReportedWithItsPlace) {
  const auto bound = bind_listeners({listener("web", "192.0.2.1:8443")}, {}, 1);
  ASSERT_FALSE(bound);
  ASSERT_EQ(bound.error().messages.size(), 1U);
  EXPECT_EQ(bound.error().messages.front().find("usher.toml:7: "), 0U);
}

TEST(ListeningSockets, TwoListenersOnPortZeroAreToldApartByName) {
  EXPECT_NE(socket_key(listener("a", "127.0.0.1:0")), socket_key(listener("b", "127.0.0.1:0")));
  EXPECT_EQ(socket_key(listener("a", "127.0.0.1:443")), socket_key(listener("b", "127.0.0.1:443")));
}

}  // namespace
}  // namespace usher::server
