#include "proxy/tls/offer.h"

#include "proxy/tls/server_context.h"
#include "proxy/tls/session_cache.h"
#include "proxy/tls/session_callbacks.h"
#include "proxy/tls/session_lookup.h"

namespace usher::tls {
namespace {

void begin_lookup(SessionEnv& env, ByteView id, SessionCache::Use use) {
  env.lookup = std::make_unique<SessionLookup>(use, env.waiter);
  env.lookup->begin(*env.sessions, id, *env.domain);
}

// TLS 1.3: the first identity decides. OpenSSL tries all as ids or all as tickets, and clients of
// ours have either.
void note_psk(SessionEnv& env, const HelloFacts& hello, OfferOutcome unread) {
  if (issues_stateful(env) && hello.first_identity.size() == kSessionIdSize) {
    env.offer = OfferKind::kSessionId;
    begin_lookup(env, hello.first_identity, SessionCache::Use::kOnce);
  } else {
    env.offer = OfferKind::kTicket;
    env.outcome = unread;
  }
}

// TLS 1.2, and no ticket beside it: then OpenSSL does not ask for the id.
void note_session_id(SessionEnv& env, const HelloFacts& hello) {
  if (env.sessions != nullptr && env.policy->session_ids &&
      hello.session_id.size() == kSessionIdSize) {
    // A client of TLS 1.3 with nothing to resume sends a random id (RFC 8446 §4.1.2): an offer only
    // if it is one of ours.
    env.offer = hello.offers_tls13 ? OfferKind::kNone : OfferKind::kSessionId;
    begin_lookup(env, hello.session_id, SessionCache::Use::kShared);
  } else if (!hello.offers_tls13) {
    env.offer = OfferKind::kSessionId;
    env.outcome = env.sessions == nullptr ? OfferOutcome::kNotFound : OfferOutcome::kForeign;
  }
}

OfferOutcome outcome_of(SessionCache::Result result) {
  switch (result) {
    case SessionCache::Result::kHit:  // judged when OpenSSL asks for it
    case SessionCache::Result::kError:
      return OfferOutcome::kOther;
    case SessionCache::Result::kMiss:
      return OfferOutcome::kNotFound;
    case SessionCache::Result::kForeign:
      return OfferOutcome::kForeign;
    case SessionCache::Result::kTimeout:
      return OfferOutcome::kTimeout;
  }
  return OfferOutcome::kOther;
}

}  // namespace

void note_offer(SessionEnv& env, const HelloFacts& hello) {
  const bool tls13 = hello.offers_tls13 && env.context->settings().max_version >= TLS1_3_VERSION;
  // Without keys no name can be told apart: all are foreign (DESIGN §5).
  const bool can_open = env.keys != nullptr && env.policy->enabled;
  const OfferOutcome unread = can_open ? OfferOutcome::kOther : OfferOutcome::kUnknownForeign;
  if (tls13 && hello.offers_psk) {
    note_psk(env, hello, unread);
  } else if (hello.offers_ticket) {
    env.offer = OfferKind::kTicket;
    env.outcome = tls13 ? OfferOutcome::kVersion : unread;  // of TLS 1.2, and 1.3 goes first
  } else if (hello.offers_psk) {
    env.offer = OfferKind::kTicket;
    env.outcome = OfferOutcome::kVersion;  // of TLS 1.3, which is off
  } else if (!tls13 && !hello.session_id.empty()) {
    note_session_id(env, hello);
  }
}

bool answer_offer(SSL* ssl, SessionEnv& env) {
  if (env.lookup == nullptr) {
    return true;
  }
  if (env.lookup->under_way()) {
    return false;
  }
  const auto result = env.lookup->take_result();
  if (!result) {
    return true;  // it was answered before
  }
  if (env.offer == OfferKind::kNone && *result != SessionCache::Result::kForeign) {
    env.offer = OfferKind::kSessionId;
  }
  env.outcome = outcome_of(*result);
  env.judged = true;
  if (*result == SessionCache::Result::kHit && env.lookup->use() == SessionCache::Use::kOnce) {
    SSL_set_options(ssl, SSL_OP_NO_TICKET);  // OpenSSL then takes the identity for an id
  }
  return true;
}

}  // namespace usher::tls
