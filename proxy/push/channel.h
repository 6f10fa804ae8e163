#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "proxy/base/unique_fd.h"
#include "proxy/push/channel_tls.h"
#include "proxy/push/endpoint.h"
#include "proxy/push/frames.h"
#include "proxy/uv/loop.h"

namespace usher::push {

// Who is at the other end, once that is proven: SO_PEERCRED on a Unix socket; over TLS the
// certificate's DNS SANs (the chain was verified; on the connecting side the endpoint's name too).
struct PeerIdentity {
  bool tls = false;
  uid_t uid = 0;                       // unix
  pid_t pid = 0;                       // unix
  std::vector<gid_t> groups;           // unix: primary and supplementary
  std::vector<std::string> dns_names;  // tls
  std::string text;  // for logs: "uid=0 pid=712", "proxy-1.example 192.0.2.7:40112"
};

// One connection of the push protocol, either side: frames in, frames out, keep-alive. Sends a PING
// after 5 s of silence from the peer and closes when nothing at all came for 15 s (also: while
// connecting, and during the TLS handshake). What waits to be sent is bounded: a newer RING
// replaces one of which no byte has left yet; above 64 KiB the peer is too slow and the channel
// closes. Thread: the loop's. Owner: KeydClient or the publisher; it may destroy the channel inside
// any callback. No callback runs inside a member function or after destruction.
class Channel {
 public:
  struct Events {
    std::function<void(const PeerIdentity&)> on_open;       // once, before any frame
    std::function<void(Frame)> on_frame;                    // not PING and PONG: answered here
    std::function<void(const std::string& why)> on_closed;  // once; the channel is of no more use
  };

  // An accepted socket; `tls` null for a Unix one.
  static std::unique_ptr<Channel> accept(uv::Loop& loop, UniqueFd socket,
                                         std::shared_ptr<const ChannelTls> tls, Events events);
  // Resolves, connects, and over TLS verifies the endpoint's name. Failures arrive as on_closed.
  static std::unique_ptr<Channel> connect(uv::Loop& loop, const Endpoint& endpoint,
                                          std::shared_ptr<const ChannelTls> tls, Events events);
  virtual ~Channel() = default;  // closes at once

  virtual void send(const Frame& frame) = 0;
  // Sends what waits (at most 1 s), then closes; no callback any more except on_closed.
  virtual void finish() = 0;
  // When the peer was last heard (any byte of a whole frame).
  virtual uv::LoopTime last_heard() const = 0;

 protected:
  Channel() = default;
};

}  // namespace usher::push
