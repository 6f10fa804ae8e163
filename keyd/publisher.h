#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "keyd/admission.h"
#include "keyd/effects.h"
#include "keyd/line_budget.h"
#include "proxy/admin/control_socket.h"
#include "proxy/base/clock.h"
#include "proxy/keyring/key_ring.h"
#include "proxy/keyring/ring_codec.h"
#include "proxy/metrics/cell.h"
#include "proxy/push/channel.h"
#include "proxy/uv/listener.h"

namespace usher::keyd {

// The subscribers' connections (PROTOCOL.md): admission, HELLO, rings out, acknowledgements in.
// What they mean for the fleet is the client's business. A ring is pushed once to each admitted
// subscriber, again when it asks by PULL. Thread: the loop's. Owner: the server; the client
// outlives it.
class Publisher {
 public:
  // Never called inside a member function of the publisher, but for on_pushed.
  struct Client {
    virtual void on_hello(const MemberId& id) = 0;
    virtual void on_applied(const MemberId& id, const push::Applied& applied) = 0;
    virtual void on_pushed(const MemberId& id) = 0;  // the ring leaves for it
    virtual void on_bye(const MemberId& id) = 0;
    virtual void on_closed(const MemberId& id) = 0;
    virtual bool may_push() = 0;  // asked before each push; false: tick() tries again

   protected:
    ~Client() = default;
  };
  struct Subscriber {
    BootClock::time_point last_heard;
    std::optional<push::Applied> applied;
    bool admitted = false;  // since the last withhold()
  };
  using Counters = std::array<metrics::Cell, kRefusals>;

  Publisher(uv::Loop& loop, Client& client);
  ~Publisher();
  Publisher(const Publisher&) = delete;

  // Once. Errors name the address and what to do. Nothing is accepted before serve().
  Result<void> open(const std::vector<ListenAddress>& addresses);
  // For connections from now on; those of peers that are not admitted any more are refused. A tls:
  // address that is open goes on with the certificates it has when `tls` is null.
  void configure(Admission admission, std::shared_ptr<const push::ChannelTls> tls);
  // Of connections from now on: a PING after so long without a frame, if that is below the 5 s of
  // the protocol.
  void hear_every(std::chrono::milliseconds period);
  void serve();
  std::vector<std::string> addresses() const;  // as bound

  // It may be pushed to from now on.
  void admit(const MemberId& id);
  // The ring for everybody who is admitted, and who will be.
  void publish(const keyring::KeyRing& ring);
  void withhold();  // nothing is pushed until publish(), to nobody before admit()
  void refuse(const MemberId& id, const Refused& refused);
  void drop(const MemberId& id);   // it may come again and say HELLO
  void probe(const MemberId& id);  // a PING, now
  void tick();                     // every second or so
  std::map<MemberId, Subscriber> subscribers() const;
  std::optional<Subscriber> subscriber(const MemberId& id) const;
  const Counters& refusals() const { return refusals_; }
  const metrics::LatencyHistogram& apply_seconds() const { return apply_seconds_; }

  // BYE to everybody; `on_closed` from the loop when all have had a second to read it.
  void close(std::function<void()> on_closed);

 private:
  struct Connection {
    std::unique_ptr<push::Channel> channel;
    push::PeerIdentity peer;
    BootClock::time_point since;
    std::optional<MemberId> id;  // after HELLO
    bool opened = false;
    bool admitted = false;
    bool ending = false;  // finish() was called: what it says counts no more
    std::optional<keyring::RingDigest> pushed;
    std::optional<BootClock::time_point> pushed_at;  // until it is acknowledged
    std::optional<BootClock::time_point> pulled_at;  // a PULL was answered
    std::optional<push::Applied> applied;
  };

  void accept(UniqueFd socket, bool tls);
  void make_room_for_a_stranger();
  void judge_again(Connection& connection);
  void on_open(Connection& connection, const push::PeerIdentity& peer);
  void on_frame(Connection& connection, push::Frame frame);
  void on_hello(Connection& connection, const push::Hello& hello);
  void on_pull(Connection& connection);
  void on_channel_closed(Connection& connection, const std::string& why);
  void push_to(Connection& connection);
  void end(Connection& connection, const push::Frame& last);
  void refuse(Connection& connection, const Refused& refused);
  void count(const Refused& refused, const std::string& peer);
  Subscriber seen(const Connection& connection) const;
  void end_if_empty();

  uv::Loop& loop_;
  Client& client_;
  Admission admission_;
  std::shared_ptr<const push::ChannelTls> tls_;
  struct Door {
    std::string text;
    UniqueFd socket;  // until serve()
    bool tls = false;
    std::optional<admin::ControlSocket> file;  // unix
    std::unique_ptr<uv::Listener> listener;
  };
  std::vector<Door> doors_;
  push::ChannelLimits limits_;
  std::list<Connection> strangers_;    // without HELLO yet, oldest first
  std::list<Connection> connections_;  // the others
  std::map<MemberId, Connection*> members_;
  std::optional<keyring::KeyRing> ring_;
  keyring::RingDigest digest_{};  // of ring_
  bool withheld_ = false;         // somebody lacks ring_ because may_push() said no
  Counters refusals_;
  metrics::LatencyHistogram apply_seconds_;
  std::optional<BootClock::time_point> refusal_told_;
  std::uint64_t refusals_untold_ = 0;
  LineBudget lines_;
  bool closing_ = false;
  std::function<void()> when_closed_;
};

}  // namespace usher::keyd
