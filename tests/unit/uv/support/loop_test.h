#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <functional>
#include <utility>

#include "proxy/base/socket_address.h"
#include "proxy/base/unique_fd.h"
#include "proxy/uv/loop.h"
#include "proxy/uv/timer.h"

namespace usher::uv {

// A loop that stops when the test has seen what it waits for, or fails after a minute: a busy
// machine is no failure.
class LoopTest : public ::testing::Test {
 protected:
  LoopTest() { watchdog_.open<&LoopTest::on_late>(loop_, *this); }

  void run() {
    watchdog_.start(std::chrono::minutes(1));
    loop_.run();
    watchdog_.stop();
  }

  // Turns without waiting for anything, so that whatever is ready, and nothing else, happens.
  void turn(int count = 5) {
    std::function<void()> next = [&] { count-- > 0 ? loop_.defer(next) : loop_.stop(); };
    loop_.defer(next);
    run();
  }

  Loop loop_;

 private:
  void on_late() {
    ADD_FAILURE() << "nothing happened for a minute";
    loop_.stop();
  }

  Timer watchdog_;
};

// Two connected Unix sockets, non-blocking.
struct SocketPair {
  SocketPair() {
    std::array<int, 2> both{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, both.data()), 0);
    ours.reset(both[0]);
    theirs.reset(both[1]);
  }

  UniqueFd ours;
  UniqueFd theirs;
};

// A client that is connected (or queued) when this returns; blocking.
inline UniqueFd connected_client(const SocketAddress& to) {
  UniqueFd client(::socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(client.value(), to.raw(), to.raw_size()) != 0) {
    client.reset();
  }
  return client;
}

inline bool is_nonblocking_and_cloexec(int fd) {
  return (::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0 && (::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

}  // namespace usher::uv
