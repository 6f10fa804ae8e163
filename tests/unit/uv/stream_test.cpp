#include "proxy/uv/stream.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <functional>
#include <string>

#include "proxy/uv/listener.h"
#include "tests/unit/uv/support/loop_test.h"

namespace usher::uv {
namespace {

bool has_no_delay(int fd) {
  int on = 0;
  socklen_t size = sizeof on;
  return ::getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &size) == 0 && on != 0;
}

class StreamTest : public LoopTest {
 protected:
  // A stream with its own callback; what it is told is kept.
  struct Side {
    void on_ready(Ready now) {
      last = now;
      if (then) {
        then();
      }
    }
    Ready last;
    std::function<void()> then = nullptr;
    Stream stream = {};
  };

  StreamTest()
      : listening_(*listen_tcp(*SocketAddress::parse("127.0.0.1:0"), 16)),
        address_(bound_address(listening_.value())) {}

  bool adopt(Side& side, UniqueFd fd) {
    return side.stream.adopt<&Side::on_ready>(loop_, std::move(fd), side);
  }

  // Both ends of one TCP connection, ready to use.
  void join(Side& client, Side& server) {
    ASSERT_EQ(client.stream.connect<&Side::on_ready>(loop_, address_, client), 0);
    await(client, false, true);
    ASSERT_EQ(client.stream.connect_result(), 0);
    UniqueFd accepted(
        ::accept4(listening_.value(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    ASSERT_TRUE(adopt(server, std::move(accepted)));
  }

  Ready await(Side& side, bool readable, bool writable) {
    side.last = Ready();
    side.then = [&] {
      side.stream.watch(false, false);
      loop_.stop();
    };
    side.stream.watch(readable, writable);
    run();
    side.then = nullptr;
    return side.last;
  }

  IoResult read(Side& side) {
    const IoResult result = side.stream.read(buffer_);
    text_.assign(text_of(ByteView(buffer_).first(result.count)));
    return result;
  }

  static IoStatus write(Side& side, std::string_view text) {
    const IoResult result = side.stream.write(bytes_of(text));
    EXPECT_TRUE(result.status != IoStatus::kProgress || result.count == text.size());
    return result.status;
  }

  UniqueFd listening_;
  SocketAddress address_;
  std::array<std::byte, 65536> buffer_{};
  std::string text_;
};

TEST_F(StreamTest, ConnectsAndMovesBytesBothWays) {
  Side client;
  Side server;
  join(client, server);
  EXPECT_TRUE(client.stream.is_open());
  EXPECT_EQ(client.stream.local_address().ip_text(), "127.0.0.1");
  EXPECT_EQ(server.stream.local_address(), address_);

  EXPECT_EQ(write(client, "ping"), IoStatus::kProgress);
  EXPECT_TRUE(await(server, true, false).readable);
  EXPECT_EQ(read(server).status, IoStatus::kProgress);
  EXPECT_EQ(text_, "ping");
  EXPECT_EQ(read(server).status, IoStatus::kBlocked);

  EXPECT_EQ(write(server, "pong"), IoStatus::kProgress);
  EXPECT_TRUE(await(client, true, false).readable);
  read(client);
  EXPECT_EQ(text_, "pong");
}

TEST_F(StreamTest, SocketsAreNonBlockingPrivateAndWithoutDelay) {
  Side client;
  Side server;
  join(client, server);
  for (const Side* side : {&client, &server}) {
    EXPECT_TRUE(is_nonblocking_and_cloexec(side->stream.fd()));
    EXPECT_TRUE(has_no_delay(side->stream.fd()));
  }
}

TEST_F(StreamTest, ARefusedConnectIsTold) {
  listening_.reset();
  Side client;
  const int error = client.stream.connect<&Side::on_ready>(loop_, address_, client);
  if (error == 0) {
    const Ready ready = await(client, false, true);
    EXPECT_TRUE(ready.failed || ready.writable);
    EXPECT_EQ(client.stream.connect_result(), ECONNREFUSED);
  } else {
    EXPECT_EQ(error, ECONNREFUSED);
  }
}

TEST_F(StreamTest, WhatCannotBeginIsNotOpen) {
  Side client;
  EXPECT_NE(client.stream.connect<&Side::on_ready>(loop_, SocketAddress(), client), 0);
  EXPECT_FALSE(client.stream.is_open());
  EXPECT_FALSE(adopt(client, UniqueFd()));
  EXPECT_FALSE(client.stream.is_open());
}

TEST_F(StreamTest, HalfCloseLeavesTheOtherDirectionOpen) {
  Side client;
  Side server;
  join(client, server);
  EXPECT_EQ(write(client, "last words"), IoStatus::kProgress);
  client.stream.shutdown_write();
  await(server, true, false);
  EXPECT_EQ(read(server).status, IoStatus::kProgress);
  EXPECT_EQ(text_, "last words");
  await(server, true, false);
  EXPECT_EQ(read(server).status, IoStatus::kEnded);
  EXPECT_EQ(read(server).status, IoStatus::kEnded);

  EXPECT_EQ(write(server, "an answer"), IoStatus::kProgress);
  await(client, true, false);
  read(client);
  EXPECT_EQ(text_, "an answer");
  server.stream.close();
  await(client, true, false);
  EXPECT_EQ(read(client).status, IoStatus::kEnded);
}

TEST_F(StreamTest, AResetIsNotTakenForAnEnd) {
  Side client;
  Side server;
  join(client, server);
  client.stream.reset();
  EXPECT_FALSE(client.stream.is_open());
  EXPECT_TRUE(await(server, true, false).failed);
  const IoResult result = read(server);
  EXPECT_EQ(result.status, IoStatus::kFailed);
  EXPECT_EQ(result.error, ECONNRESET);
}

TEST_F(StreamTest, WhatCameBeforeAResetCanStillBeRead) {
  Side client;
  Side server;
  join(client, server);
  EXPECT_EQ(write(client, "before"), IoStatus::kProgress);
  await(server, true, false);
  client.stream.reset();
  EXPECT_TRUE(await(server, true, false).failed);
  EXPECT_EQ(read(server).status, IoStatus::kProgress);
  EXPECT_EQ(text_, "before");
  EXPECT_EQ(read(server).status, IoStatus::kFailed);
}

TEST_F(StreamTest, AResetIsSeenWhileOnlyWritingIsWatched) {
  Side client;
  Side server;
  join(client, server);
  while (server.stream.write(buffer_).status == IoStatus::kProgress) {
  }
  client.stream.reset();
  await(server, false, true);
  EXPECT_EQ(server.stream.socket_error(), ECONNRESET);
}

TEST_F(StreamTest, AFullSocketBlocksAndGoesOnWhenRead) {
  Side client;
  Side server;
  join(client, server);
  std::size_t sent = 0;
  IoResult result;
  while ((result = client.stream.write(buffer_)).status == IoStatus::kProgress) {
    sent += result.count;
  }
  EXPECT_EQ(result.status, IoStatus::kBlocked);
  EXPECT_EQ(result.count, 0U);
  std::size_t received = 0;
  while (received < sent) {
    await(server, true, false);
    received += read(server).count;
  }
  EXPECT_EQ(received, sent);
  EXPECT_TRUE(await(client, false, true).writable);
  EXPECT_EQ(write(client, "more"), IoStatus::kProgress);
}

// MSG_NOSIGNAL: the default action of SIGPIPE would end this test program.
TEST_F(StreamTest, WritingToAClosedPeerFailsWithoutASignal) {
  Side client;
  Side server;
  join(client, server);
  server.stream.reset();
  await(client, true, false);
  EXPECT_EQ(client.stream.socket_error(), ECONNRESET);  // which clears it
  const IoResult result = client.stream.write(bytes_of("x"));
  EXPECT_EQ(result.status, IoStatus::kFailed);
  EXPECT_EQ(result.error, EPIPE);
}

TEST_F(StreamTest, NothingMovesNothing) {
  Side client;
  Side server;
  join(client, server);
  write(client, "x");
  await(server, true, false);
  EXPECT_EQ(server.stream.read({}).status, IoStatus::kBlocked);  // not kEnded
  EXPECT_EQ(server.stream.write({}).status, IoStatus::kBlocked);
}

TEST_F(StreamTest, MayCloseItselfInItsCallback) {
  Side client;
  Side server;
  join(client, server);
  int calls = 0;
  client.then = [&] {
    ++calls;
    client.stream.close();
    client.stream.close();
  };
  client.stream.watch(true, true);
  turn();
  EXPECT_EQ(calls, 1);
  EXPECT_FALSE(client.stream.is_open());
  await(server, true, false);
  EXPECT_EQ(read(server).status, IoStatus::kEnded);
}

TEST_F(StreamTest, ServesUnixSockets) {
  SocketPair pair;
  Side ours;
  Side theirs;
  ASSERT_TRUE(adopt(ours, std::move(pair.ours)));
  ASSERT_TRUE(adopt(theirs, std::move(pair.theirs)));
  EXPECT_EQ(ours.stream.local_address().family(), AF_UNSPEC);
  write(ours, "hello");
  await(theirs, true, false);
  read(theirs);
  EXPECT_EQ(text_, "hello");
}

}  // namespace
}  // namespace usher::uv
