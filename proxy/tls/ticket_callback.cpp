#include "proxy/tls/ticket_callback.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>

#include <cstring>

#include "proxy/base/bytes.h"
#include "proxy/tls/resumption_rules.h"
#include "proxy/tls/session_callbacks.h"

namespace usher::tls {
namespace {

// Returns of the key callback (SSL_CTX_set_tlsext_ticket_key_evp_cb).
constexpr int kSealed = 1;
constexpr int kIssueNone = 0;  // never below 0: that fails the handshake
constexpr int kUnknownKey = 0;
constexpr int kOpened = 1;
constexpr int kOpenedRenew = 2;

constexpr int kIvSize = 16;  // of AES-CBC, whatever the key's size

bool set_mac_key(EVP_MAC_CTX* mac, const keyring::TicketKey& key) {
  char digest[] = "SHA256";
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_construct_end()};
  return EVP_MAC_init(mac, uchars(key.hmac_bytes()), key.hmac_bytes().size(), params) == 1;
}

int seal(SessionEnv& env, std::span<unsigned char> name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
         EVP_MAC_CTX* mac) {
  const keyring::TicketKey* key = env.keys == nullptr || env.ended || !env.policy->enabled
                                      ? nullptr
                                      : env.keys->ring().sealing_key(BootClock::now());
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

// Before a ticket is made, stateless or not.
int on_generate(SSL* ssl, void*) {
  SessionEnv& env = SessionEnv::of(ssl);
  stamp(ssl, SSL_get_session(ssl), env);
  if (SSL_version(ssl) >= TLS1_3_VERSION) {
    choose_state(ssl, env);
  }
  return 1;
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
    env.offer = OfferKind::kTicket;  // whatever stood before it
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
