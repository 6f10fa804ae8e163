#pragma once

#include "proxy/base/openssl_ptr.h"

namespace usher::bench {

enum class TlsVersion { kTls12, kTls13 };

/// How a client comes back: with a ticket, or (TLS 1.2) with the id of a session that the proxy
/// keeps, because it does not offer the ticket extension.
enum class ComesBackWith { kTicket, kSessionId };

/// The client side of one protocol version with one cipher suite and one group: what every proxy is
/// pinned to. The certificate's chain is not verified (the handshake's signature always is).
class TlsClient {
 public:
  explicit TlsClient(TlsVersion version, ComesBackWith comes_back_with = ComesBackWith::kTicket);

  /// A connection state that offers `offered` (may be null) and keeps the server's newest session
  /// in
  /// `*newest`, which must outlive the returned SSL.
  SslPtr open(int fd, SSL_SESSION* offered, SslSessionPtr* newest) const;

  /// Ends the process unless the finished handshake used the pinned version, suite and group.
  void check_pinned(SSL* ssl) const;

 private:
  TlsVersion version_;
  SslCtxPtr context_;
};

/// What OpenSSL queued last, as text.
const char* openssl_error();

}  // namespace usher::bench
