#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
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

// Tests shorten them.
struct ChannelLimits {
  std::chrono::milliseconds ping_after{5000};    // without a whole frame from the peer
  std::chrono::milliseconds silence_max{15000};  // two PINGs are lost
  std::chrono::milliseconds finish_max{1000};
  std::size_t output_max = 64 * 1024;  // bytes; ten RINGs
};

// Why a channel closed, for counters.
enum class CloseCause : std::uint8_t {
  kNone,         // it has not
  kFinished,     // by our finish()
  kPeer,         // the peer closed or reset it
  kUnreachable,  // the name is unknown, the connect failed
  kTls,          // the handshake failed on either side, or a bad record
  kMalformed,    // no frame of ours
  kSilent,
  kSlow,   // too much waited to be sent
  kLocal,  // our own socket or memory
};

// One connection of the push protocol, either side: frames in, frames out, keep-alive. Sends a PING
// after 5 s without a frame from the peer and closes when no whole frame came for 15 s (also: while
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
                                         std::shared_ptr<const ChannelTls> tls, Events events,
                                         const ChannelLimits& limits = {});
  // Resolves, connects to one address after the other, and over TLS verifies the endpoint's name.
  // Failures arrive as on_closed. A proxy that keyd's TLS refuses may see on_open before.
  static std::unique_ptr<Channel> connect(uv::Loop& loop, const Endpoint& endpoint,
                                          std::shared_ptr<const ChannelTls> tls, Events events,
                                          const ChannelLimits& limits = {});
  virtual ~Channel() = default;  // closes at once

  // May be used before on_open; nothing after finish() or the end.
  virtual void send(const Frame& frame) = 0;
  // Sends what waits and lets the peer read it (at most 1 s), then closes; no callback any more
  // except on_closed.
  virtual void finish() = 0;
  // When the last whole frame came; before any, when the channel opened.
  virtual uv::LoopTime last_heard() const = 0;
  // For on_closed and later.
  virtual CloseCause cause() const { return CloseCause::kNone; }

 protected:
  Channel() = default;
};

}  // namespace usher::push
