#pragma once

#include <array>
#include <cstddef>
#include <optional>

#include "proxy/base/bytes.h"
#include "proxy/base/clock.h"
#include "proxy/tls/session_env.h"

namespace usher::tls {

// What our tickets carry besides the session (SSL_SESSION_set1_ticket_appdata): the lineage start,
// which is the time of the first full handshake, and the domain where sid_ctx is not it (another
// program's stands there, session_context.h).
struct TicketAppData {
  UnixSeconds lineage_start{};
  std::optional<Domain> domain;
  bool operator==(const TicketAppData&) const = default;
};

// 1 | lineage start as 8 bytes big-endian Unix seconds; or 2 | the same | domain 32.
struct EncodedAppData {
  std::array<std::byte, 9 + std::tuple_size_v<Domain>> bytes{};
  std::size_t size = 0;
  ByteView view() const { return ByteView(bytes).first(size); }
};
EncodedAppData encode_app_data(const TicketAppData& data);
// None for tickets of others (nginx, HAProxy) and for anything malformed.
std::optional<TicketAppData> decode_app_data(ByteView bytes);

// The end of a session: min(session time + session_lifetime, lineage start + lineage_max, client
// certificate's notAfter). A start in the future counts as now. Pure.
struct SessionTimes {
  UnixSeconds session_time{};  // SSL_SESSION_get_time: in TLS 1.2 the first handshake's
  UnixSeconds lineage_start{};
  std::optional<UnixSeconds> client_not_after;
};
UnixSeconds session_end(const SessionTimes& times, const TicketPolicy& policy, UnixSeconds now);

}  // namespace usher::tls
