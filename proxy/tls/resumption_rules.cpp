#include "proxy/tls/resumption_rules.h"

#include <strings.h>

#include <algorithm>
#include <optional>

#include "proxy/base/bytes.h"
#include "proxy/tls/server_context.h"
#include "proxy/tls/ticket_callback.h"
#include "proxy/tls/ticket_policy.h"

namespace usher::tls {
namespace {

using Time = std::optional<UnixSeconds>;

Time not_after_of(const X509* certificate) {
  std::tm fields{};
  if (certificate == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &fields) != 1) {
    return std::nullopt;
  }
  return UnixSeconds(std::chrono::seconds(::timegm(&fields)));
}

// Within bounds that sums with it do not overflow, whatever a holder of the key sealed.
UnixSeconds time_of(const SSL_SESSION* session) {
  return std::clamp(UnixSeconds(std::chrono::seconds(SSL_SESSION_get_time(session))), UnixSeconds{},
                    keyring::kUnixTimeMax);
}

SessionTimes times_of(SSL_SESSION* session, UnixSeconds lineage_start) {
  return {time_of(session), lineage_start, not_after_of(SSL_SESSION_get0_peer(session))};
}

// What the ticket carries; of nginx and HAProxy: no domain, and the session's own time.
TicketAppData app_data_of(SSL_SESSION* session) {
  void* data = nullptr;
  std::size_t size = 0;
  if (SSL_SESSION_get0_ticket_appdata(session, &data, &size) == 1) {
    if (const auto own = decode_app_data({static_cast<const std::byte*>(data), size})) {
      return *own;
    }
  }
  return {time_of(session), std::nullopt};
}

bool domain_matches(const SSL_SESSION* session, const TicketAppData& app_data,
                    const SessionEnv& env) {
  if (env.domain == nullptr) {
    return false;
  }
  unsigned size = 0;
  const unsigned char* context = SSL_SESSION_get0_id_context(session, &size);
  const ByteView sid_ctx = std::as_bytes(std::span(context, size));
  if (env.session_context == nullptr) {
    return std::ranges::equal(sid_ctx, *env.domain);
  }
  if (!std::ranges::equal(sid_ctx, env.session_context->view())) {
    return false;
  }
  return app_data.domain ? *app_data.domain == *env.domain
                         : env.context->settings().client_auth == ClientAuth::kOff;
}

// RFC 6066 §3: a server must not resume a TLS 1.2 session under another name.
bool name_matches(const SSL_SESSION* session, const SessionEnv& env) {
  const char* name = SSL_SESSION_get0_hostname(session);
  return ::strcasecmp(name == nullptr ? "" : name, env.sni.c_str()) == 0;
}

// TLS 1.3 needs the same hash (RFC 8446 §4.6.1). TLS 1.2 goes on with the session's own suite, so
// it must still be one that this configuration allows.
bool cipher_matches(SSL* ssl, const SSL_SESSION* session) {
  const SSL_CIPHER* cipher = SSL_SESSION_get0_cipher(session);
  if (cipher == nullptr) {
    return false;
  }
  if (SSL_version(ssl) >= TLS1_3_VERSION) {
    const SSL_CIPHER* chosen = SSL_get_pending_cipher(ssl);
    return chosen != nullptr &&
           SSL_CIPHER_get_handshake_digest(chosen) == SSL_CIPHER_get_handshake_digest(cipher);
  }
  const STACK_OF(SSL_CIPHER)* allowed = SSL_get_ciphers(ssl);
  for (int i = 0; i < sk_SSL_CIPHER_num(allowed); ++i) {
    if (SSL_CIPHER_get_id(sk_SSL_CIPHER_value(allowed, i)) == SSL_CIPHER_get_id(cipher)) {
      return true;
    }
  }
  return false;
}

}  // namespace

OfferOutcome judge(SSL* ssl, SSL_SESSION* session, SessionEnv& env) {
  if (SSL_SESSION_get_protocol_version(session) != SSL_version(ssl)) {
    return OfferOutcome::kVersion;
  }
  const TicketAppData app_data = app_data_of(session);
  if (!domain_matches(session, app_data, env) ||
      (SSL_version(ssl) < TLS1_3_VERSION && !name_matches(session, env))) {
    return OfferOutcome::kDomain;
  }
  if (!cipher_matches(ssl, session)) {
    return OfferOutcome::kCipher;
  }
  const UnixSeconds now = unix_now();
  env.lineage_start = std::min(app_data.lineage_start, now);
  if (env.lineage_start + env.policy->lineage_max <= now ||
      (env.keys != nullptr && env.lineage_start <= env.keys->ring().lineage_not_before())) {
    return OfferOutcome::kLineage;  // too old, or of before a revocation
  }
  // The timeout was set under the policy of that time and binds OpenSSL, a longer policy since or
  // not.
  const UnixSeconds end = std::min(
      session_end(times_of(session, env.lineage_start), *env.policy, now), end_of(session));
  return end <= now ? OfferOutcome::kExpired : OfferOutcome::kResumed;
}

// In TLS 1.2 the session time is the first handshake's, in TLS 1.3 now.
void stamp(SSL* ssl, SSL_SESSION* session, SessionEnv& env) {
  const UnixSeconds now = unix_now();
  const UnixSeconds lineage_start = SSL_session_reused(ssl) != 0 ? env.lineage_start : now;
  TicketAppData own{lineage_start, std::nullopt};
  if (env.session_context != nullptr) {
    own.domain = *env.domain;
  }
  const EncodedAppData app_data = encode_app_data(own);
  (void)SSL_SESSION_set1_ticket_appdata(session, app_data.bytes.data(), app_data.size);
  const UnixSeconds end = session_end(times_of(session, lineage_start), *env.policy, now);
  env.ended = end <= now;
  // Never 0: OpenSSL encodes the session, reads that back as 3 and fails the handshake over the
  // difference in size.
  SSL_SESSION_set_timeout(session, std::max<long>(1, (end - time_of(session)).count()));
}

UnixSeconds end_of(const SSL_SESSION* session) {
  return time_of(session) + std::chrono::seconds(SSL_SESSION_get_timeout(session));
}

}  // namespace usher::tls
