#include "proxy/tls/session_callbacks.h"

#include <openssl/err.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>

#include "proxy/base/bytes.h"
#include "proxy/base/secret.h"
#include "proxy/tls/resumption_rules.h"
#include "proxy/tls/session_cache.h"
#include "proxy/tls/session_lookup.h"

namespace usher::tls {
namespace {

// A session with a client certificate of 1 to 1.5 KiB still fits; larger ones go to the arena.
constexpr std::size_t kStackDerMax = 2048;

// Always 1 and never an empty id: else the handshake fails (tried), in TLS 1.3 also for stateless
// tickets, whose id nobody ever sees.
int on_generate_id(SSL* ssl, unsigned char* id, unsigned* size) {
  SessionEnv& env = SessionEnv::of(ssl);
  const std::span room = std::as_writable_bytes(std::span(id, *size));
  const bool asked_for =
      SSL_version(ssl) >= TLS1_3_VERSION ? issues_stateful(env) : env.sessions != nullptr;
  env.id_made = asked_for && room.size() == kSessionIdSize &&
                env.sessions->make_id(room.first<kSessionIdSize>());
  if (!env.id_made) {
    (void)RAND_bytes(id, static_cast<int>(*size));
  }
  return 1;
}

// Its DER stands in wiped memory only as long as the cache takes to seal it.
void store(SSL_SESSION* session, const SessionEnv& env, SessionCache::Use use) {
  unsigned id_size = 0;
  const unsigned char* id = SSL_SESSION_get_id(session, &id_size);
  const auto lifetime = end_of(session) - unix_now();
  const int size = i2d_SSL_SESSION(session, nullptr);
  if (size <= 0 || lifetime <= std::chrono::seconds(0)) {
    return;
  }
  std::array<std::byte, kStackDerMax> stack;
  SecretBuffer arena(static_cast<std::size_t>(size) > stack.size() ? static_cast<std::size_t>(size)
                                                                   : 0);
  const std::span der =
      arena.size() > 0 ? arena.bytes() : std::span(stack).first(static_cast<std::size_t>(size));
  unsigned char* to = writable_uchars(der);
  if (i2d_SSL_SESSION(session, &to) == size) {
    env.sessions->store(std::as_bytes(std::span(id, id_size)), *env.domain, use, der, lifetime);
  }
  wipe(der);
}

// Fires after a full TLS 1.2 handshake whose client got an id, and for every TLS 1.3 ticket.
// Returns 0: no reference is kept.
int on_new_session(SSL* ssl, SSL_SESSION* session) {
  SessionEnv& env = SessionEnv::of(ssl);
  const bool tls13 = SSL_version(ssl) >= TLS1_3_VERSION;
  if (!env.id_made || (tls13 && (SSL_get_options(ssl) & SSL_OP_NO_TICKET) == 0)) {
    return 0;
  }
  if (!tls13) {
    stamp(ssl, session, env);  // for a ticket the generate callback has done it
  }
  if (env.ended) {
    return 0;
  }
  ERR_set_mark();
  store(session, env, tls13 ? SessionCache::Use::kOnce : SessionCache::Use::kShared);
  ERR_pop_to_mark();
  env.cached = true;
  return 0;
}

// Asked again after a HelloRetryRequest.
SSL_SESSION* on_get_session(SSL* ssl, const unsigned char* id, int size, int* copy) {
  *copy = 1;  // OpenSSL takes a reference of its own
  SessionEnv& env = SessionEnv::of(ssl);
  const ByteView asked = std::as_bytes(std::span(id, static_cast<std::size_t>(size)));
  SSL_SESSION* session = env.lookup == nullptr ? nullptr : env.lookup->found(asked);
  if (session == nullptr) {
    return nullptr;
  }
  const OfferOutcome outcome = judge(ssl, session, env);
  const bool usable = outcome == OfferOutcome::kResumed;
  // OpenSSL has the last word: the end of the handshake tells (TlsSession::note_resumption).
  env.outcome = usable ? OfferOutcome::kOther : outcome;
  return usable ? session : nullptr;
}

}  // namespace

void install_session_callbacks(SSL_CTX* context) {
  (void)SSL_CTX_set_generate_session_id(context, on_generate_id);
  SSL_CTX_sess_set_new_cb(context, on_new_session);
  SSL_CTX_sess_set_get_cb(context, on_get_session);
}

bool issues_stateful(const SessionEnv& env) {
  return env.sessions != nullptr && env.policy->session_ids && env.policy->stateful_tls13;
}

void choose_state(SSL* ssl, SessionEnv& env) {
  if (env.id_made && !env.ended) {
    SSL_set_options(ssl, SSL_OP_NO_TICKET);
    ++env.tickets_issued;
  } else {
    SSL_clear_options(ssl, SSL_OP_NO_TICKET);
  }
}

}  // namespace usher::tls
