#pragma once

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "proxy/keyring/ring_changes.h"
#include "proxy/server/keyd_client.h"
#include "tests/unit/keyring/support/test_keys.h"

namespace usher::server::test {

inline push::Endpoint endpoint(const std::string& text) {
  return *push::parse_endpoint(text);
}

inline push::PeerIdentity unix_peer(uid_t uid) {
  push::PeerIdentity peer;
  peer.uid = uid;
  peer.text = "uid=" + std::to_string(uid);
  return peer;
}

// A ring as keyd makes it, with that pair and one current key; another seed, another key.
inline keyring::KeyRing pushed_ring(keyring::KeyRing::Version version, unsigned seed = 1,
                                    keyring::AgePolicy policy = keyring::test::kPolicy) {
  const auto made = keyring::first_ring(BootClock::now(), policy, keyring::test::counting(seed));
  return keyring::with_version(*made, version);
}

inline push::Frame ring_frame(const keyring::KeyRing& ring) {
  return push::Ring{keyring::encode_ring(ring, BootClock::now())};
}

// One connection that the proxy has made; the test is the keyd at its other end.
struct FakeConnection {
  std::string endpoint;
  push::Channel::Events events;
  std::vector<std::string> sent;  // "HELLO node", "APPLIED 1.2", "PULL", "BYE"
  std::vector<push::Hello> hellos;
  std::vector<push::Applied> acks;
  bool finished = false;
  bool alive = true;  // the proxy has not destroyed it
  push::CloseCause cause = push::CloseCause::kNone;

  void open(uid_t uid = 0) { events.on_open(unix_peer(uid)); }
  void push(const keyring::KeyRing& ring) { events.on_frame(ring_frame(ring)); }
  // The events may destroy the channel, and this with it but for its owner.
  void close(const std::string& why, push::CloseCause because = push::CloseCause::kPeer) {
    cause = because;
    events.on_closed(why);
  }
};

class FakeChannel final : public push::Channel {
 public:
  explicit FakeChannel(std::shared_ptr<FakeConnection> connection)
      : connection_(std::move(connection)) {}
  ~FakeChannel() override { connection_->alive = false; }

  void send(const push::Frame& frame) override {
    if (const auto* hello = std::get_if<push::Hello>(&frame)) {
      connection_->sent.push_back("HELLO " + hello->node);
      connection_->hellos.push_back(*hello);
    } else if (const auto* applied = std::get_if<push::Applied>(&frame)) {
      connection_->sent.push_back("APPLIED " + std::to_string(applied->version.term) + "." +
                                  std::to_string(applied->version.version));
      connection_->acks.push_back(*applied);
    } else if (std::holds_alternative<push::Pull>(frame)) {
      connection_->sent.emplace_back("PULL");
    } else if (std::holds_alternative<push::Bye>(frame)) {
      connection_->sent.emplace_back("BYE");
    } else {
      connection_->sent.emplace_back("a frame that only keyd sends");
    }
  }
  void finish() override { connection_->finished = true; }
  uv::LoopTime last_heard() const override { return {}; }
  push::CloseCause cause() const override { return connection_->cause; }

 private:
  const std::shared_ptr<FakeConnection> connection_;
};

// Every connection that was asked for, in order.
class FakeKeyd {
 public:
  ConnectChannel connect() {
    return [this](const push::Endpoint& to, std::shared_ptr<const push::ChannelTls>,
                  push::Channel::Events events) {
      auto connection = std::make_shared<FakeConnection>();
      connection->endpoint = to.text;
      connection->events = std::move(events);
      connections_.push_back(connection);
      return std::make_unique<FakeChannel>(connection);
    };
  }
  std::size_t count() const { return connections_.size(); }
  FakeConnection& operator[](std::size_t index) { return *connections_.at(index); }

 private:
  std::vector<std::shared_ptr<FakeConnection>> connections_;
};

}  // namespace usher::server::test
