// Links over plain TCP: opening, bytes both ways, ends, and what is counted.
#include <gtest/gtest.h>

#include "tests/unit/backend/support/group_bench.h"
#include "tests/unit/backend/support/test_server.h"

namespace usher::backend::test {
namespace {

using namespace std::chrono_literals;

using LinkTest = GroupTest;

TEST_F(LinkTest, OpensSendsReceivesAndSeesTheEnd) {
  TestServer server([](Peer& peer) {
    EXPECT_EQ(peer.read_head(), "GET / HTTP/1.1\r\n\r\n");
    peer.write("answer");
    peer.fin();
    EXPECT_EQ(peer.read_to_end(), "more");
  });
  make({{server.address()}});
  TestUser user(loop_);
  EXPECT_EQ(acquire(user), Kind::kOpen) << "loopback connects at once";
  EXPECT_EQ(connections(), 1U);
  EXPECT_FALSE(user.link->reused());
  EXPECT_EQ(exchange(user), "answer");
  while (user.last.status != uv::IoStatus::kEnded) {
    run();
  }
  ByteView got;
  EXPECT_EQ(user.link->receive(10, got).status, uv::IoStatus::kEnded) << "told anew";
  (void)user.link->send(bytes_of("more"));
  user.link->shutdown_write();
  user.link.reset();
  EXPECT_EQ(connections(), 0U);
}

TEST_F(LinkTest, WhatTheSocketDoesNotTakeWaitsWithinBounds) {
  const std::string block(100'000, 'x');
  std::size_t sent = 0;
  std::atomic<bool> read = false;
  TestServer server([&](Peer& peer) {
    while (!read) {
      std::this_thread::sleep_for(1ms);
    }
    const std::string got = peer.read_to_end();
    EXPECT_EQ(got.size(), sent);
    peer.write("done");
  });
  make({{server.address()}});
  TestUser user(loop_);
  ASSERT_TRUE(open(user));
  while (user.link->room() > 0) {
    EXPECT_GE(user.link->room(), block.size());
    EXPECT_NE(user.link->send(bytes_of(block)).status, uv::IoStatus::kFailed);
    sent += block.size();
  }
  EXPECT_GT(user.link->waiting_bytes(), uv::SendQueue::kBytesMax);
  EXPECT_LE(user.link->waiting_bytes(), 2 * uv::SendQueue::kBytesMax);
  user.link->shutdown_write();  // behind what waits
  read = true;
  run();
  EXPECT_EQ(user.events, std::vector<std::string>{"writable"});
  EXPECT_GT(user.link->room(), 0U);
  while (user.received != "done") {
    run();
  }
}

TEST_F(LinkTest, NothingIsToldWhileItIsNotRead) {
  TestServer server([](Peer& peer) {
    (void)peer.read(1);
    peer.write("answer");
    (void)peer.read_to_end();
  });
  make({{server.address()}});
  TestUser user(loop_);
  ASSERT_TRUE(open(user));
  user.link->read_on(false);
  (void)user.link->send(bytes_of("x"));
  std::this_thread::sleep_for(20ms);
  turn();
  EXPECT_TRUE(user.events.empty());
  user.link->read_on(true);
  run();
  EXPECT_EQ(user.received, "answer");
}

TEST_F(LinkTest, AResetIsNoEnd) {
  TestServer server([](Peer& peer) {
    (void)peer.read(1);
    peer.reset();
  });
  make({{server.address()}});
  TestUser user(loop_);
  ASSERT_TRUE(open(user));
  (void)user.link->send(bytes_of("x"));
  run();
  EXPECT_EQ(user.last.status, uv::IoStatus::kFailed);
  EXPECT_EQ(user.last.error, ECONNRESET);
  EXPECT_FALSE(user.link->failure_detail().empty());
}

TEST_F(LinkTest, AResetThatSendingFindsOutIsNoEndEither) {
  std::atomic<bool> go_on = false;
  std::atomic<bool> gone = false;
  TestServer server([&](Peer& peer) {
    (void)peer.read_head();
    peer.write("half");
    while (!go_on) {
      std::this_thread::sleep_for(1ms);
    }
    peer.reset();
    gone = true;
  });
  make({{server.address()}});
  TestUser user(loop_);
  ASSERT_TRUE(open(user));
  ASSERT_EQ(exchange(user), "half");
  go_on = true;
  while (!gone) {
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_EQ(user.link->send(bytes_of("more")).error, ECONNRESET);
  ByteView got;
  EXPECT_EQ(user.link->receive(SIZE_MAX, got).status, uv::IoStatus::kFailed);
  user.link.reset();
  group_.reset();
}

TEST_F(LinkTest, SendingToNobodyFailsAndWhatWasSaidBeforeIsStillRead) {
  TestServer server([](Peer& peer) {
    peer.write("early answer");
    (void)peer.read(1);  // the rest stays unread: closing resets
  });
  make({{server.address()}});
  TestUser user(loop_);
  ASSERT_TRUE(open(user));
  user.link->read_on(false);
  const std::string block(100'000, 'x');
  (void)user.link->send(bytes_of(block));
  while (user.link->send(bytes_of("x")).status != uv::IoStatus::kFailed) {
    std::this_thread::sleep_for(1ms);
    turn(1);
  }
  EXPECT_EQ(user.link->waiting_bytes(), 0U);
}

TEST_F(LinkTest, ARefusedServerIsFollowedByTheNext) {
  TestServer server([](Peer& peer) { (void)peer.read_to_end(); });
  make({{refusing_address()}, {server.address()}});
  TestUser user(loop_);
  Group::Wish wish;
  ASSERT_EQ(dial(user, wish), Kind::kOpen);
  EXPECT_EQ(user.failure, LinkFailure::kRefused);
  EXPECT_FALSE(user.detail.empty());
  EXPECT_EQ(user.link->server(), 1U);
  EXPECT_EQ(failures(BackendMetrics::kRefused), 1U);
}

TEST_F(LinkTest, WithoutAnyServerThereIsNone) {
  make({{refusing_address()}, {refusing_address()}, {}});
  TestUser user(loop_);
  EXPECT_EQ(dial(user, user_wish_), Kind::kNone);
  EXPECT_EQ(failures(BackendMetrics::kRefused, 0), 1U);
  EXPECT_EQ(failures(BackendMetrics::kRefused, 1), 1U);
}

TEST_F(LinkTest, ASilentServerTimesOutAndTheNextIsTried) {
  SocketAddress hole;
  const UniqueFd full = listening_socket(0, hole);
  std::vector<UniqueFd> fillers;
  for (int i = 0; i < 3; ++i) {  // a queue of length 0 takes one; the kernel drops the next SYNs
    fillers.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    (void)::connect(fillers.back().value(), hole.raw(), hole.raw_size());
  }
  TestServer server([](Peer& peer) { (void)peer.read_to_end(); });
  settings_.connect_timeout = 50ms;
  make({{hole}, {server.address()}});
  TestUser user(loop_);
  Group::Wish wish;
  ASSERT_EQ(acquire(user, wish), Kind::kConnecting);
  run();
  EXPECT_EQ(user.events, std::vector<std::string>{"failed"});
  EXPECT_EQ(user.failure, LinkFailure::kTimeout);
  EXPECT_EQ(failures(BackendMetrics::kTimeout), 1U);
  ASSERT_EQ(acquire(user, wish), Kind::kOpen);
  EXPECT_EQ(user.link->server(), 1U);
}

TEST_F(LinkTest, AnAbortedLinkIsReset) {
  std::atomic<int> error = 0;
  std::atomic<bool> begun = false;
  std::atomic<bool> seen = false;
  TestServer server([&](Peer& peer) {
    (void)peer.read(1);
    begun = true;
    errno = 0;
    EXPECT_EQ(peer.read(1), "");
    error = errno;
    seen = true;
  });
  make({{server.address()}});
  TestUser user(loop_);
  ASSERT_TRUE(open(user));
  (void)user.link->send(bytes_of("x"));
  EXPECT_TRUE(eventually([&] { return begun.load(); }));
  user.link->abort();
  user.link.reset();
  EXPECT_TRUE(eventually([&] { return seen.load(); }));
  EXPECT_EQ(error, ECONNRESET);
}

}  // namespace
}  // namespace usher::backend::test
