#include "proxy/tls/ticket_callback.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <strings.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "proxy/base/bytes.h"
#include "proxy/tls/server_context.h"
#include "proxy/tls/ticket_policy.h"

namespace usher::tls {
namespace {

// Returns of the key callback (SSL_CTX_set_tlsext_ticket_key_evp_cb).
constexpr int kSealed = 1;
constexpr int kIssueNone = 0;  // never below 0: that fails the handshake
constexpr int kUnknownKey = 0;
constexpr int kOpened = 1;
constexpr int kOpenedRenew = 2;

constexpr int kIvSize = 16;  // of AES-CBC, whatever the key's size

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

bool set_mac_key(EVP_MAC_CTX* mac, const keyring::TicketKey& key) {
  char digest[] = "SHA256";
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_construct_end()};
  return EVP_MAC_init(mac, uchars(key.hmac_bytes()), key.hmac_bytes().size(), params) == 1;
}

int seal(SessionEnv& env, std::span<unsigned char> name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
         EVP_MAC_CTX* mac) {
  const keyring::TicketKey* key =
      env.keys == nullptr || env.ended ? nullptr : env.keys->ring().sealing_key(BootClock::now());
  if (key == nullptr || RAND_bytes(iv, kIvSize) != 1 ||
      EVP_EncryptInit_ex(cipher, env.keys->cipher_of(*key), nullptr, uchars(key->aes_bytes()),
                         iv) != 1 ||
      !set_mac_key(mac, *key)) {
    return kIssueNone;
  }
  std::memcpy(name.data(), key->name.data(), name.size());
  ++env.tickets_issued;
  return kSealed;
}

OfferOutcome outcome_of(keyring::UnknownName unknown) {
  switch (unknown) {
    case keyring::UnknownName::kFuture:
      return OfferOutcome::kUnknownFuture;
    case keyring::UnknownName::kPast:
      return OfferOutcome::kUnknownPast;
    case keyring::UnknownName::kForeign:
      return OfferOutcome::kUnknownForeign;
  }
  return OfferOutcome::kUnknownForeign;
}

int open(SessionEnv& env, std::span<const unsigned char> ticket_name, unsigned char* iv,
         EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac) {
  env.unopened = OfferOutcome::kUnknownForeign;
  if (env.keys == nullptr) {
    return kUnknownKey;
  }
  keyring::KeyName name{};
  std::memcpy(name.data(), ticket_name.data(), name.size());
  const keyring::KeyRing& ring = env.keys->ring();
  const auto found = ring.opening_key(name, BootClock::now());
  if (!found) {
    env.unopened = outcome_of(ring.classify_unknown(name));
    return kUnknownKey;
  }
  env.unopened = OfferOutcome::kBadMac;  // what it is if OpenSSL cannot open it with this key
  const keyring::TicketKey& key = *found->key;
  if (EVP_DecryptInit_ex(cipher, env.keys->cipher_of(key), nullptr, uchars(key.aes_bytes()), iv) !=
          1 ||
      !set_mac_key(mac, key)) {
    return kUnknownKey;
  }
  return found->state == keyring::KeyState::kPrevious ? kOpenedRenew : kOpened;
}

int on_key(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
           EVP_MAC_CTX* mac, int sealing) {
  SessionEnv& env = SessionEnv::of(ssl);
  const std::span name_bytes(name, keyring::kNameSize);
  return sealing != 0 ? seal(env, name_bytes, iv, cipher, mac)
                      : open(env, name_bytes, iv, cipher, mac);
}

// Before a ticket is sealed. In TLS 1.2 the session time is the first handshake's, in TLS 1.3 now.
int on_generate(SSL* ssl, void*) {
  SessionEnv& env = SessionEnv::of(ssl);
  SSL_SESSION* session = SSL_get_session(ssl);
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
  return 1;
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

// Why an opened session may not be used; kResumed when it may.
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
      env.lineage_start <= env.keys->ring().lineage_not_before()) {
    return OfferOutcome::kLineage;  // too old, or of before a revocation
  }
  // The timeout was sealed under the policy of that time and binds OpenSSL, a longer policy since
  // or not.
  const UnixSeconds end =
      std::min(session_end(times_of(session, env.lineage_start), *env.policy, now),
               time_of(session) + std::chrono::seconds(SSL_SESSION_get_timeout(session)));
  return end <= now ? OfferOutcome::kExpired : OfferOutcome::kResumed;
}

// Runs for every identity, also for "no ticket" and "unknown", and overrules the key callback.
// Never IGNORE (the client would never get a ticket again) and never ABORT.
SSL_TICKET_RETURN on_decrypted(SSL* ssl, SSL_SESSION* session, const unsigned char*, std::size_t,
                               SSL_TICKET_STATUS status, void*) {
  SessionEnv& env = SessionEnv::of(ssl);
  if (status == SSL_TICKET_EMPTY) {
    return SSL_TICKET_RETURN_IGNORE_RENEW;
  }
  const bool opened = status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW;
  const OfferOutcome outcome = opened ? judge(ssl, session, env) : env.unopened;
  env.unopened =
      OfferOutcome::kUnknownForeign;  // a ticket too short for a name never reaches open()
  const bool usable = outcome == OfferOutcome::kResumed;
  if (usable || !env.judged) {
    // OpenSSL has the last word: it may refuse the session, or fail at its binder. The end of the
    // handshake tells (TlsSession::note_resumption).
    env.outcome = usable ? OfferOutcome::kOther : outcome;
    env.judged = true;
  }
  if (!usable) {
    return SSL_TICKET_RETURN_IGNORE_RENEW;
  }
  const bool renew = SSL_version(ssl) >= TLS1_3_VERSION || status == SSL_TICKET_SUCCESS_RENEW;
  return renew ? SSL_TICKET_RETURN_USE_RENEW : SSL_TICKET_RETURN_USE;
}

}  // namespace

Result<std::unique_ptr<TicketKeys>> TicketKeys::create(OSSL_LIB_CTX* library,
                                                       const Snapshot<keyring::KeyRing>& rings) {
  CipherPtr large(EVP_CIPHER_fetch(library, "AES-256-CBC", nullptr));
  CipherPtr small(EVP_CIPHER_fetch(library, "AES-128-CBC", nullptr));
  if (!large || !small) {
    return fail("OpenSSL has no AES-256-CBC or AES-128-CBC; check the providers in openssl.cnf");
  }
  return std::unique_ptr<TicketKeys>(new TicketKeys(rings, std::move(large), std::move(small)));
}

void install_ticket_callbacks(SSL_CTX* context) {
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_key);
  SSL_CTX_set_session_ticket_cb(context, on_generate, on_decrypted, nullptr);
}

}  // namespace usher::tls
