#pragma once

#include <cstdint>
#include <string_view>

namespace usher::relay {

// Why a connection ended; exactly one each. Metric label `reason` and log field `reason`.
enum class CloseReason : std::uint8_t {
  kFinished,         // both sides ended cleanly (close_notify and FIN)
  kClientTruncated,  // FIN without close_notify: what came may not be all (RFC 8446 §6.1)
  kClientReset,
  kClientFailed,  // a TLS error after the handshake (bad record, fatal alert)
  kBackendReset,
  kBackendUnreachable,  // every server was tried
  kHandshakeFailed,     // usher_handshake_failures_total tells why
  kHandshakeTimeout,
  kClientGone,  // FIN or reset before the handshake was done
  kIdleTimeout,
  kDrainTimeout,    // the last bytes could not be delivered in time
  kProxyUntrusted,  // PROXY header expected, peer not in proxy_protocol_from
  kProxyMalformed,
  kProxyTimeout,
  kKeyUpdateFlood,
  kDrain,     // SIGTERM and drain_timeout
  kStopped,   // SIGQUIT
  kOverload,  // out of memory or descriptors for this connection
};
inline constexpr std::size_t kCloseReasons = 18;
std::string_view name_of(CloseReason reason);

}  // namespace usher::relay
