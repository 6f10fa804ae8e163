#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proxy/push/channel.h"
#include "proxy/push/link.h"
#include "proxy/push/outbox.h"
#include "proxy/uv/resolver.h"
#include "proxy/uv/stream.h"
#include "proxy/uv/timer.h"

namespace usher::push {

// The Channel of sockets: connecting → handshaking → open → finishing → draining → closed, any of
// which may go to closed at once. Internal to proxy/push.
class SocketChannel final : public Channel {
 public:
  SocketChannel(uv::Loop& loop, std::shared_ptr<const ChannelTls> tls, Events events,
                const ChannelLimits& limits);

  void begin_accepted(UniqueFd socket);
  void begin_connect(const Endpoint& endpoint);
  // To these addresses in turn, as if the endpoint's host had resolved to them.
  void begin_connect(const Endpoint& endpoint, std::vector<SocketAddress> addresses);

  void send(const Frame& frame) override;
  void finish() override;
  uv::LoopTime last_heard() const override { return last_heard_; }
  CloseCause cause() const override { return cause_; }

 private:
  enum class Phase : std::uint8_t {
    kConnecting,   // waits for the resolver, then for one address after the other
    kHandshaking,  // waits for TLS; plain sockets pass at once
    kOpen,
    kFinishing,  // what waits goes out, nothing is read
    kDraining,   // FIN is sent; what the peer still sends is thrown away until it ends too, so that
                 // no RST destroys our last words
    kClosed,     // on_closed is due or was told
  };

  // socket_channel_connecting.cpp
  void resolved(Result<std::vector<SocketAddress>> addresses);
  void connect_next();  // beginning with addresses_[attempt_]
  void on_connecting();
  void attempt_failed(int error);
  void connect_unix(const std::string& path);
  void start_handshake();
  void handshake();
  void open();

  // socket_channel.cpp
  void on_ready(uv::Ready ready);
  void on_open_ready(uv::Ready ready);
  void on_finishing_ready(uv::Ready ready);
  void on_timer();
  void soon();  // on_soon() follows in the next turn: for what must not run inside owners' calls
  void on_soon();
  // Both: false when the channel is no longer open; it may be destroyed.
  bool read_frames();
  bool deliver();
  void flush();
  void keep_alive();
  void drain();
  void watch();
  void end(CloseCause cause, std::string why);    // our last words go out: draining
  void close(CloseCause cause, std::string why);  // at once; on_closed follows from the loop

  // Calls the owner; false when that destroyed this channel.
  template <class Callback, class... Arguments>
  bool tell(Callback Events::*callback, Arguments&&... arguments) {
    const std::shared_ptr<const Events> held = events_;
    if (const Callback& call = (*held).*callback) {
      call(std::forward<Arguments>(arguments)...);
    }
    return held.use_count() > 1;
  }

  uv::Loop& loop_;
  std::shared_ptr<const ChannelTls> tls_;  // null: plain
  std::shared_ptr<const Events> events_;   // shared: they outlive their own call
  const ChannelLimits limits_;

  Phase phase_ = Phase::kConnecting;
  CloseCause cause_ = CloseCause::kNone;
  std::string why_;
  uv::LoopTime last_heard_{};
  uv::LoopTime last_ping_{};
  std::uint64_t pings_ = 0;

  std::optional<Endpoint> endpoint_;      // connecting side only
  std::vector<SocketAddress> addresses_;  // of the endpoint
  std::size_t attempt_ = 0;               // index into them

  Outbox outbox_;
  std::optional<FrameReader> reader_;  // from open() on: strangers get no locked memory
  uv::Timer timer_;                    // of the phase
  bool soon_due_ = false;
  uv::Resolver resolver_;
  uv::Stream stream_;
  Link link_{stream_};
};

}  // namespace usher::push
