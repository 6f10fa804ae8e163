#pragma once

#include <array>
#include <cstddef>
#include <optional>

#include "proxy/base/bytes.h"
#include "proxy/base/clock.h"
#include "proxy/tls/session_env.h"

namespace usher::tls {

// What our tickets carry besides the session (SSL_SESSION_set1_ticket_appdata): a version byte and
// the lineage start, the time of the first full handshake, as 8 bytes big-endian Unix seconds.
using TicketAppData = std::array<std::byte, 9>;
TicketAppData encode_app_data(UnixSeconds lineage_start);
// None for tickets of others (nginx, HAProxy) and for anything malformed.
std::optional<UnixSeconds> decode_app_data(ByteView bytes);

// The end of a session: min(session time + session_lifetime, lineage start + lineage_max, client
// certificate's notAfter). A start in the future counts as now. Pure.
struct SessionTimes {
  UnixSeconds session_time{};  // SSL_SESSION_get_time: in TLS 1.2 the first handshake's
  UnixSeconds lineage_start{};
  std::optional<UnixSeconds> client_not_after;
};
UnixSeconds session_end(const SessionTimes& times, const TicketPolicy& policy, UnixSeconds now);

}  // namespace usher::tls
