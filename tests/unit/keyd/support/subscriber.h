#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "keyd/effects.h"
#include "proxy/base/bytes.h"
#include "proxy/base/unique_fd.h"
#include "proxy/keyring/ring_codec.h"
#include "proxy/push/frames.h"

// A subscriber at keyd's Unix socket that does as the test says.
namespace usher::keyd::test {

class Subscriber {
 public:
  Subscriber(const std::string& path, MemberId id) : id_(std::move(id)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    socket_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    EXPECT_EQ(
        ::connect(socket_.value(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }

  void send(const push::Frame& frame) {
    const SecretBuffer bytes = push::encode(frame);
    const auto size = static_cast<ssize_t>(bytes.size());
    EXPECT_EQ(::send(socket_.value(), bytes.bytes().data(), bytes.size(), MSG_NOSIGNAL), size);
  }
  void hello() { send(push::Hello{push::kProtocol, id_.instance, 2, id_.node}); }
  void apply() {
    send(push::Applied{rings().back().version(), keyring::digest_of(rings().back())});
  }
  void close() { socket_.reset(); }

  // What has come so far.
  const std::vector<keyring::KeyRing>& rings() {
    read();
    return rings_;
  }
  bool refused() {
    read();
    return refused_;
  }
  bool said_bye() {
    read();
    return bye_;
  }
  bool ended() {
    read();
    return ended_;
  }
  const MemberId& id() const { return id_; }

 private:
  void read() {
    for (;;) {
      const auto room = reader_.room();
      const ssize_t count = socket_ ? ::recv(socket_.value(), room.data(), room.size(), 0) : -1;
      if (count <= 0) {
        ended_ = ended_ || count == 0 || (socket_ && errno == ECONNRESET);
        return;
      }
      reader_.added(static_cast<std::size_t>(count));
      take_frames();
    }
  }
  void take_frames() {
    for (;;) {
      auto frame = reader_.next();
      ASSERT_TRUE(frame) << frame.error().message;
      if (!frame->has_value()) {
        return;
      }
      if (const auto* ring = std::get_if<push::Ring>(&**frame)) {
        auto decoded = keyring::decode_ring(ring->bytes.bytes(), BootClock::now());
        ASSERT_TRUE(decoded) << decoded.error().message;
        rings_.push_back(*std::move(decoded));
      } else if (const auto* ping = std::get_if<push::Ping>(&**frame)) {
        send(push::Pong{ping->id});
      }
      bye_ = bye_ || std::holds_alternative<push::Bye>(**frame);
      refused_ = refused_ || std::holds_alternative<push::Refused>(**frame);
    }
  }

  MemberId id_;
  UniqueFd socket_;
  push::FrameReader reader_;
  std::vector<keyring::KeyRing> rings_;
  bool refused_ = false;
  bool bye_ = false;
  bool ended_ = false;
};

}  // namespace usher::keyd::test
