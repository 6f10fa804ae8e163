#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "proxy/base/bytes.h"
#include "proxy/base/openssl_ptr.h"
#include "proxy/uv/stream.h"

namespace usher::push {

enum class LinkStatus : std::uint8_t {
  kProgress,  // `count` bytes moved; a handshake: done
  kBlocked,   // watch the socket, for writing too if wants_write()
  kEnded,     // read only: the peer has sent its last byte
  kFailed,    // failure() says why
};

struct LinkResult {
  LinkStatus status = LinkStatus::kBlocked;
  std::size_t count = 0;
};

// The bytes of a connected socket, plain or through TLS. Never waits. OpenSSL's error queue is
// cleared before and drained after each call, here only. Thread: the loop's. Owner: a channel,
// whose `stream` outlives it.
class Link {
 public:
  explicit Link(uv::Stream& stream) : stream_(stream) {}
  Link(const Link&) = delete;

  enum class Role : std::uint8_t { kClient, kServer };
  // Makes it TLS, before any byte moves. A client verifies that the peer is `host` (a DNS SAN, or
  // an IP SAN when it is an address). False when out of memory.
  bool secure(SSL_CTX* context, Role role, const std::string& host);

  LinkResult handshake();  // plain: done at once
  LinkResult read(std::span<std::byte> into);
  // All or nothing over TLS; after kBlocked the same bytes must come again.
  LinkResult write(ByteView bytes);
  // close_notify, as far as it goes out at once, and FIN.
  void end();

  bool wants_write() const { return wants_write_; }
  SSL* ssl() const { return ssl_.get(); }
  const std::string& failure() const { return failure_; }
  bool peer_left() const { return peer_left_; }  // the failure: a reset, or an end that was cut off

 private:
  LinkResult plain(uv::IoResult result);
  LinkResult outcome_of(int result);
  void note_tls_failure();

  uv::Stream& stream_;
  SslPtr ssl_;
  std::string host_;  // that the certificate must have
  int socket_error_ = 0;
  bool handshaken_ = false;  // over TLS
  bool wants_write_ = false;
  bool peer_left_ = false;
  std::string failure_;

  friend struct SocketBio;
};

}  // namespace usher::push
