#pragma once

#include <cstdint>
#include <string_view>

#include "client/response_reader.h"
#include "client/tls_client.h"
#include "proxy/base/unique_fd.h"

namespace usher::bench {

/// What a connection waits for. In kHandshaken, kAnswered and kEnded it rests until it is told
/// more.
enum class Phase {
  kConnecting,
  kHandshaking,
  kHandshaken,
  kAwaitingResponse,
  kAnswered,
  kAwaitingEnd,
  kEnded
};

bool is_at_rest(Phase phase);

/// One TLS connection through the proxy, driven by edges of its socket. Whatever goes wrong ends
/// the process. **Owner:** a Slot of the Crowd. Not movable: OpenSSL keeps the address of
/// `newest_`.
class Connection {
 public:
  Connection(const TlsClient& tls, uint16_t port, SSL_SESSION* offered);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const UniqueFd& socket() const { return socket_; }
  Phase phase() const { return phase_; }

  /// Runs until the socket blocks or the connection is at rest.
  void advance();

  /// From kHandshaken or kAnswered: sends one GET (it always fits the socket's buffer).
  void request(std::string_view target);

  /// From kAnswered: close_notify, then FIN, then waits for the proxy's end, so that the proxy's
  /// own closing is done, and paid for, when this connection is.
  void end();

  bool was_resumed() const { return SSL_session_reused(ssl_.get()) != 0; }
  void check_pinned() const { tls_.check_pinned(ssl_.get()); }

  /// The newest session with a ticket that the server sent, null if none. It was read before or
  /// with the response: OpenSSL's servers send tickets with the end of the handshake.
  SslSessionPtr take_session() { return std::move(newest_); }

  bool ended_by_reset() const { return ended_by_reset_; }

 private:
  /// True when the phase changed, false when the socket blocks.
  bool step();
  bool finish_connect();
  bool handshake();
  bool read_response();
  bool read_end();
  bool blocked_or_die(int result, const char* doing) const;

  const TlsClient& tls_;
  UniqueFd socket_;
  SslSessionPtr newest_;
  SslPtr ssl_;
  ResponseReader response_;
  Phase phase_ = Phase::kConnecting;
  bool ended_by_reset_ = false;
};

}  // namespace usher::bench
