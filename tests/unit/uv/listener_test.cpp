#include "proxy/uv/listener.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/uv/support/loop_test.h"

namespace usher::uv {
namespace {

using std::chrono::milliseconds;

// As if the process had no descriptor left, until the end of the scope.
class NoDescriptorsLeft {
 public:
  NoDescriptorsLeft() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const UniqueFd lowest_free(::dup(STDERR_FILENO));
    const rlimit now{static_cast<rlim_t>(lowest_free.value()), before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &now), 0);
  }
  ~NoDescriptorsLeft() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptorsLeft(const NoDescriptorsLeft&) = delete;

 private:
  rlimit before_{};
};

class ListenerTest : public LoopTest {
 protected:
  ListenerTest() {
    auto socket = listen_tcp(*SocketAddress::parse("127.0.0.1:0"), 128);
    address_ = bound_address(socket->value());
    listener_ = std::make_unique<Listener>(
        loop_, *std::move(socket),
        [this](UniqueFd fd, const SocketAddress& peer) {
          accepted_.push_back(std::move(fd));
          last_peer_ = peer;
          if (on_accept_) {
            on_accept_();
          }
        },
        [this](bool starved) {
          starved_.push_back(starved);
          if (on_starved_) {
            on_starved_(starved);
          }
        });
  }

  void queue_clients(int count) {
    turn();  // UBSan's first look at this object opens a pipe: before descriptors run out
    for (int i = 0; i < count; ++i) {
      clients_.push_back(connected_client(address_));
      ASSERT_TRUE(clients_.back());
    }
  }

  void run_until_accepted(std::size_t count) {
    on_accept_ = [this, count] {
      if (accepted_.size() == count) {
        loop_.stop();
      }
    };
    run();
    on_accept_ = nullptr;
  }

  void run_until_starved_is(bool wanted) {
    on_starved_ = [this, wanted](bool starved) {
      if (starved == wanted) {
        loop_.stop();
      }
    };
    run();
    on_starved_ = nullptr;
  }

  // Whether the server closed this client without having accepted it.
  static bool was_reset(const UniqueFd& client) {
    char byte = 0;
    return ::recv(client.value(), &byte, 1, 0) < 0 && errno == ECONNRESET;
  }

  SocketAddress address_;
  std::unique_ptr<Listener> listener_;
  std::vector<UniqueFd> clients_;
  std::vector<UniqueFd> accepted_;
  std::vector<bool> starved_;
  SocketAddress last_peer_;
  std::function<void()> on_accept_;
  std::function<void(bool)> on_starved_;
};

TEST_F(ListenerTest, AcceptsWithThePeersAddress) {
  queue_clients(1);
  run_until_accepted(1);
  EXPECT_EQ(last_peer_, bound_address(clients_[0].value()));
  EXPECT_TRUE(is_nonblocking_and_cloexec(accepted_[0].value()));
  EXPECT_TRUE(starved_.empty());
}

TEST_F(ListenerTest, AtMost32ATurn) {
  std::vector<std::size_t> at_turns;
  queue_clients(70);
  loop_.at_turn_start([&] { at_turns.push_back(accepted_.size()); });
  run_until_accepted(70);
  loop_.at_turn_start(nullptr);
  EXPECT_NE(std::ranges::find(at_turns, 32U), at_turns.end());
  EXPECT_NE(std::ranges::find(at_turns, 64U), at_turns.end());
}

TEST_F(ListenerTest, PausedClientsStayQueuedUntilResume) {
  listener_->pause();
  listener_->pause();
  queue_clients(3);
  turn();
  EXPECT_TRUE(accepted_.empty());
  listener_->resume();
  listener_->resume();
  run_until_accepted(3);
  EXPECT_TRUE(starved_.empty());
}

TEST_F(ListenerTest, PausingInTheCallbackStopsAtOnce) {
  queue_clients(5);
  on_accept_ = [this] {
    if (accepted_.size() == 2) {
      listener_->pause();
    }
  };
  turn();
  EXPECT_EQ(accepted_.size(), 2U);
  listener_->resume();
  run_until_accepted(5);
}

TEST_F(ListenerTest, ClosingInTheCallbackStopsAtOnce) {
  queue_clients(3);
  on_accept_ = [this] { listener_->close(); };
  turn();
  EXPECT_EQ(accepted_.size(), 1U);
  EXPECT_TRUE(was_reset(clients_[1]));
  EXPECT_FALSE(connected_client(address_));
}

TEST_F(ListenerTest, AClosedListenerTakesEveryCall) {
  listener_->close();
  listener_->close();
  listener_->pause();
  listener_->resume();
  listener_->drain_and_close();
  turn();
}

TEST_F(ListenerTest, WithoutDescriptorsItWaitsAndGoesOnByItself) {
  queue_clients(2);
  const auto begun = loop_.now();
  {
    const NoDescriptorsLeft exhausted;
    run_until_starved_is(true);
    EXPECT_TRUE(accepted_.empty());
  }
  int turns = 0;
  loop_.at_turn_start([&] { ++turns; });
  run_until_accepted(2);
  loop_.at_turn_start(nullptr);
  EXPECT_EQ(starved_, (std::vector<bool>{true, false}));
  EXPECT_GE(loop_.now() - begun, milliseconds(100));
  EXPECT_LT(turns, 10);  // it slept, though the queue was readable all the time
}

TEST_F(ListenerTest, StillWithoutDescriptorsItTriesAgainLater) {
  queue_clients(1);
  int times = 0;
  on_starved_ = [&](bool starved) {
    times += starved ? 1 : 0;
    if (times == 3) {
      loop_.stop();
    }
  };
  {
    const NoDescriptorsLeft exhausted;
    run();
  }
  run_until_accepted(1);
}

TEST_F(ListenerTest, ResumeEndsStarvationAtOnce) {
  queue_clients(1);
  {
    const NoDescriptorsLeft exhausted;
    run_until_starved_is(true);
  }
  listener_->resume();
  EXPECT_EQ(starved_, (std::vector<bool>{true, false}));
  turn();
  EXPECT_EQ(accepted_.size(), 1U);
}

TEST_F(ListenerTest, AStarvedListenerThatWasPausedStaysPaused) {
  queue_clients(1);
  {
    const NoDescriptorsLeft exhausted;
    run_until_starved_is(true);
  }
  listener_->pause();
  run_until_starved_is(false);
  turn();
  EXPECT_TRUE(accepted_.empty());
}

TEST_F(ListenerTest, AsksBeforeEachAcceptAndWaitsWhileTheAnswerIsNo) {
  bool admits_more = false;
  listener_->admit_while([&] { return admits_more || accepted_.size() < 2; });
  queue_clients(5);
  run_until_starved_is(true);
  EXPECT_EQ(accepted_.size(), 2U);
  admits_more = true;
  run_until_accepted(5);  // looks again after 100 ms
  EXPECT_EQ(starved_, (std::vector<bool>{true, false}));
}

TEST_F(ListenerTest, DrainTakesAllWhoAreQueuedThenCloses) {
  listener_->pause();
  queue_clients(70);
  listener_->drain_and_close();
  EXPECT_EQ(accepted_.size(), 70U);
  EXPECT_FALSE(connected_client(address_));
}

TEST_F(ListenerTest, DrainTakesAllEvenWhenTheLimitHadStarvedIt) {
  listener_->admit_while([] { return false; });
  queue_clients(5);
  run_until_starved_is(true);
  listener_->drain_and_close();
  EXPECT_EQ(accepted_.size(), 5U);
  EXPECT_EQ(starved_, (std::vector<bool>{true, false}));
}

TEST_F(ListenerTest, DrainWithoutDescriptorsCloses) {
  queue_clients(2);
  {
    const NoDescriptorsLeft exhausted;
    listener_->drain_and_close();
  }
  EXPECT_TRUE(accepted_.empty());
  EXPECT_TRUE(was_reset(clients_[0]));
  EXPECT_EQ(starved_, (std::vector<bool>{true, false}));
}

TEST_F(ListenerTest, ClosingWhileStarvedTakesItBack) {
  queue_clients(1);
  {
    const NoDescriptorsLeft exhausted;
    run_until_starved_is(true);
  }
  listener_.reset();
  EXPECT_EQ(starved_, (std::vector<bool>{true, false}));
  turn();
  EXPECT_TRUE(accepted_.empty());
}

TEST_F(ListenerTest, AcceptsFromUnixSocketsToo) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  constexpr socklen_t kAutobind = sizeof name.sun_family;  // the kernel picks an abstract name
  ASSERT_EQ(::bind(socket.value(), reinterpret_cast<sockaddr*>(&name), kAutobind), 0);
  ASSERT_EQ(::listen(socket.value(), 1), 0);
  socklen_t size = sizeof name;
  ASSERT_EQ(::getsockname(socket.value(), reinterpret_cast<sockaddr*>(&name), &size), 0);
  const UniqueFd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::connect(client.value(), reinterpret_cast<sockaddr*>(&name), size), 0);
  int accepted = 0;
  Listener listener(
      loop_, std::move(socket),
      [&](UniqueFd, const SocketAddress& peer) {
        ++accepted;
        EXPECT_EQ(peer.family(), AF_UNSPEC);
      },
      [](bool) {});
  turn();
  EXPECT_EQ(accepted, 1);
}

}  // namespace
}  // namespace usher::uv
