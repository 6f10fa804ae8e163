#include <gtest/gtest.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <thread>

#include "proxy/uv/listener.h"
#include "tests/unit/uv/support/loop_test.h"

namespace usher::uv {
namespace {

SocketAddress address(const char* text) {
  return *SocketAddress::parse(text);
}

std::string failure_of(const SocketAddress& where) {
  const auto socket = listen_tcp(where, 1);
  return socket ? "it listens" : socket.error().message;
}

TEST(ListenTcp, MakesPort0Concrete) {
  for (const char* text : {"127.0.0.1:0", "[::1]:0"}) {
    const auto socket = listen_tcp(address(text), 1);
    ASSERT_TRUE(socket) << socket.error().message;
    const SocketAddress bound = bound_address(socket->value());
    EXPECT_NE(bound.port(), 0);
    EXPECT_TRUE(connected_client(bound));
    EXPECT_TRUE(is_nonblocking_and_cloexec(socket->value()));
  }
}

TEST(ListenTcp, EveryWorkerCanHaveItsOwnSocketOnOnePort) {
  const auto first = listen_tcp(address("127.0.0.1:0"), 1);
  ASSERT_TRUE(first);
  const auto second = listen_tcp(bound_address(first->value()), 1);
  EXPECT_TRUE(second) << second.error().message;
}

TEST(ListenTcp, IPv6LeavesIPv4Alone) {
  const auto v6 = listen_tcp(address("[::]:0"), 1);
  ASSERT_TRUE(v6) << v6.error().message;
  SocketAddress v4 = address("127.0.0.1:0");
  v4.set_port(bound_address(v6->value()).port());
  EXPECT_FALSE(connected_client(v4));
}

TEST(ListenTcp, ATakenPortIsNamedWithAHint) {
  const UniqueFd other(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));  // without SO_REUSEPORT
  const SocketAddress any = address("127.0.0.1:0");
  ASSERT_EQ(::bind(other.value(), any.raw(), any.raw_size()), 0);
  ASSERT_EQ(::listen(other.value(), 1), 0);
  const SocketAddress taken = bound_address(other.value());
  EXPECT_EQ(failure_of(taken), "cannot listen on " + taken.to_string() +
                                   ": Address already in use; another process has the port: stop "
                                   "it or choose another port");
}

TEST(ListenTcp, AForeignAddressIsNamedWithAHint) {
  EXPECT_EQ(failure_of(address("192.0.2.1:0")),
            "cannot listen on 192.0.2.1:0: Cannot assign requested address; no interface of this "
            "machine has the address");
}

TEST(ListenTcp, NoAddressIsAnError) {
  EXPECT_NE(failure_of(SocketAddress()).find("cannot listen on unknown: "), std::string::npos);
}

// Where the kernel gives every port to everybody (containers often do), there is nothing to refuse.
TEST(ListenTcp, AForbiddenPortIsNamedWithAHint) {
  int first_free_port = 0;
  std::ifstream("/proc/sys/net/ipv4/ip_unprivileged_port_start") >> first_free_port;
  std::string failure;
  std::thread([&] {  // capabilities belong to a thread: the others keep theirs
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct no_rights[2]{};
    ASSERT_EQ(::syscall(SYS_capset, &header, no_rights), 0);
    failure = failure_of(address("127.0.0.1:1"));
  })
      .join();
  EXPECT_EQ(failure, first_free_port <= 1
                         ? "it listens"
                         : "cannot listen on 127.0.0.1:1: Permission denied; ports below 1024 need "
                           "root or CAP_NET_BIND_SERVICE");
}

TEST(BoundAddress, OfNoSocketIsUnknown) {
  EXPECT_EQ(bound_address(-1).family(), AF_UNSPEC);
}

}  // namespace
}  // namespace usher::uv
