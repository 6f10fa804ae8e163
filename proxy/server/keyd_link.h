#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <set>
#include <string>

#include "proxy/push/channel.h"
#include "proxy/server/key_control.h"
#include "proxy/uv/timer.h"

namespace usher::server {

// Makes a channel to an endpoint: push::Channel::connect, or a fake in tests.
using ConnectChannel = std::function<std::unique_ptr<push::Channel>(
    const push::Endpoint&, std::shared_ptr<const push::ChannelTls>, push::Channel::Events)>;

// Tests shorten them.
struct KeydTimes {
  std::chrono::milliseconds retry_min{100};  // doubles after each failure
  std::chrono::milliseconds retry_max{5000};
  std::chrono::milliseconds pull_look{1000};
  std::chrono::milliseconds pull_every{10'000};  // hints of strangers cause no more (DESIGN §5)
};

// The connection to one keyd endpoint, made again for as long as it is wanted: backoff with jitter,
// the peer's identity, the end by BYE. What frames mean is the client's business. Thread: main's
// loop. Owner: KeydClient.
class KeydLink {
 public:
  // Never called inside a member function of the link; may destroy it only in on_left.
  struct Client {
    virtual void on_linked(KeydLink& link) = 0;  // the peer is one of ours: say HELLO
    virtual void on_ring(KeydLink& link, const SecretBuffer& bytes) = 0;
    virtual void on_malformed(KeydLink& link) = 0;  // bytes that are no frame
    virtual void on_left(KeydLink& link) = 0;       // after leave()

   protected:
    ~Client() = default;
  };

  KeydLink(uv::Loop& loop, const ConnectChannel& connect, push::Endpoint endpoint,
           const KeydTimes& times, Client& client);
  ~KeydLink();
  KeydLink(const KeydLink&) = delete;

  // For the next connect; one that stands stays. `users`: the uids that may serve a Unix socket
  // besides root's and ours.
  void configure(std::shared_ptr<const push::ChannelTls> tls, std::set<uid_t> users);
  void start();
  void send(const push::Frame& frame);  // dropped while there is no connection
  void leave();                         // BYE, and no other connection; on_left follows
  void note_pushed(keyring::KeyRing::Version version) { last_pushed_ = version; }

  bool connected() const { return state_ == State::kOpen; }
  const push::Endpoint& endpoint() const { return endpoint_; }
  KeydEndpointState state() const;

 private:
  enum class State : std::uint8_t { kWaiting, kConnecting, kOpen, kLeaving };

  void on_timer();
  void on_open(const push::PeerIdentity& peer);
  void on_frame(const push::Frame& frame);
  void on_closed(std::string why);
  void disconnect(const std::string& why);

  uv::Loop& loop_;
  const ConnectChannel& connect_;  // the client's
  const push::Endpoint endpoint_;
  const KeydTimes& times_;  // the client's
  Client& client_;
  std::shared_ptr<const push::ChannelTls> tls_;
  std::set<uid_t> users_;
  State state_ = State::kWaiting;
  std::unique_ptr<push::Channel> channel_;
  uv::Timer timer_;
  std::chrono::milliseconds retry_;
  std::minstd_rand jitter_;
  std::string peer_;
  std::string error_;    // why there is no connection
  std::string refused_;  // keyd's own words, until the channel closes
  std::string told_;     // what the log has said of this outage; "" none
  bool was_linked_ = false;
  keyring::KeyRing::Version last_pushed_;
};

}  // namespace usher::server
