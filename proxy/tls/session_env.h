#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "proxy/base/clock.h"
#include "proxy/tls/outcomes.h"

struct ssl_st;

namespace usher::tls {

class HandshakeWaiter;    // session_lookup.h
class SessionCache;       // session_cache.h: per worker
class SessionLookup;      // session_lookup.h
class TicketKeys;         // ticket_callback.h: per worker
class ServerContext;      // server_context.h: per worker, listener and generation
struct SessionIdContext;  // session_context.h

// Who may resume what (DESIGN §5, "Resumption rules"); sid_ctx unless the listener has another.
using Domain = std::array<std::byte, 32>;

// How long resumption lasts. One per listener context, immutable.
struct TicketPolicy {
  bool enabled = true;          // tickets.source ≠ "off"
  unsigned per_handshake = 1;   // TLS 1.3 tickets after a handshake
  bool session_ids = false;     // sessions are kept for clients without tickets (SessionCache)
  bool stateful_tls13 = false;  // with session_ids: the tickets of TLS 1.3 are ids, used once
  std::chrono::seconds session_lifetime{6 * 3600};
  std::chrono::seconds lineage_max{24 * 3600};
};

// What OpenSSL's callbacks find for the connection they run for: SSL_set_app_data (index 0),
// because ex_data indices belong to a library context (DESIGN §3). Thread: the worker's. Owner:
// TlsSession, which outlives its SSL.
struct SessionEnv {
  SessionEnv();
  ~SessionEnv();
  SessionEnv(const SessionEnv&) = delete;

  TicketKeys* keys = nullptr;            // null: no tickets
  SessionCache* sessions = nullptr;      // null: no sessions by id
  HandshakeWaiter* waiter = nullptr;     // null: only what is found at once is found
  const TicketPolicy* policy = nullptr;  // the listener context's
  const ServerContext* context = nullptr;
  const Domain* domain = nullptr;  // set by ServerContext::apply, lives in the context
  const SessionIdContext* session_context =
      nullptr;      // sid_ctx where it is not the domain; as above
  std::string sni;  // lower case, as the hello had it; "" none
  OfferKind offer = OfferKind::kNone;
  OfferOutcome outcome = OfferOutcome::kOther;  // meaningful when offer ≠ kNone
  OfferOutcome unopened =
      OfferOutcome::kUnknownForeign;  // if OpenSSL cannot open the ticket at hand
  // `outcome` is of an identity that was looked at; the first stands unless one is used.
  bool judged = false;
  // Of the session that the client asks for by its id; until the handshake ends.
  std::unique_ptr<SessionLookup> lookup;
  TlsFailure failure = TlsFailure::kNone;  // set by callbacks that know better than the error queue
  bool ended = false;                      // the session has reached its end already: no ticket
  std::uint8_t tickets_issued = 0;
  std::uint8_t key_updates = 0;  // since the last application data
  bool hello_seen = false;       // the hello callback's first run has decided
  bool handshake_done = false;
  bool id_made = false;         // the id of the session at hand is the cache's: it is to be stored
  bool cached = false;          // the session in use is in the cache, under its id
  UnixSeconds lineage_start{};  // of the session in use; 0: this handshake begins one

  static SessionEnv& of(const ssl_st* ssl);
};

}  // namespace usher::tls
