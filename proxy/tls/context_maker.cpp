#include "proxy/tls/context_maker.h"

#include <openssl/err.h>

#include <algorithm>

#include "proxy/tls/handshake_callbacks.h"
#include "proxy/tls/pem.h"
#include "proxy/tls/session_callbacks.h"
#include "proxy/tls/ticket_callback.h"

namespace usher::tls {

namespace {

// AES-128-GCM first: SHA-384 suites cost 9 to 13 % more per handshake (DESIGN §8). TLS 1.2 is
// Mozilla's "intermediate" list without finite-field DHE: forward secrecy and AEAD only.
constexpr const char* kSuites13 =
    "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384";
constexpr const char* kCiphers12 =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";
constexpr const char* kGroups = "X25519:P-256:P-384:P-521";

// A client's certificate chain: a handful of the largest (post-quantum) certificates; OpenSSL
// allows 100 KiB.
constexpr long kClientChainBytesMax = 64 * 1024;

// Without certificates or without encryption, and two kinds that need keys no configuration has.
constexpr const char* kNeverCiphers = ":!aNULL:!eNULL:!PSK:!SRP";

// While migrating, the suite of TLS 1.3 is chosen as the other program chooses it by default, from
// OpenSSL's own list, nginx in the client's order: a ticket resumes only under a suite with the
// hash that it was made with (RFC 8446 §4.6.1). Configured suites are the operator's choice.
bool chooses_as_others(const ListenerTls& settings) {
  return settings.session_context && settings.ciphersuites.empty() &&
         settings.session_context->kind != SessionContext::Kind::kBytes;
}

bool chooses_in_clients_order(const ListenerTls& settings) {
  return chooses_as_others(settings) &&
         settings.session_context->kind != SessionContext::Kind::kHaproxy;
}

std::string suites_of(const ListenerTls& settings) {
  return !settings.ciphersuites.empty() ? settings.ciphersuites
         : chooses_as_others(settings)  ? OSSL_default_ciphersuites()
                                        : kSuites13;
}

Unexpected<Error> refused(std::string_view setting, std::string_view value) {
  return fail("tls." + std::string(setting) + ": OpenSSL refuses '" + std::string(value) + "' (" +
              take_openssl_reason() + ")");
}

using SetList = int (*)(SSL_CTX*, const char*);

// OpenSSL skips words that it does not know as long as one is left: a slip would go unseen. Words
// that only order or take away may name what this OpenSSL was built without ("!RC4").
Result<void> check_words(SSL_CTX* scratch, SetList set, std::string_view setting,
                         const std::string& list, const char* separators) {
  for (std::size_t at = 0; (at = list.find_first_not_of(separators, at)) != std::string::npos;) {
    const std::size_t end = std::min(list.find_first_of(separators, at), list.size());
    const std::string word = list.substr(at, end - at);
    at = end;
    if (std::string_view("!-+@").find(word.front()) == std::string_view::npos &&
        set(scratch, word.c_str()) != 1) {
      return refused(setting, word);
    }
  }
  return {};
}

Result<void> check_lists(OSSL_LIB_CTX* library, const ListenerTls& settings) {
  ERR_clear_error();
  const SslCtxPtr scratch(SSL_CTX_new_ex(library, nullptr, TLS_server_method()));
  if (scratch == nullptr) {
    return fail("OpenSSL makes no TLS context (" + take_openssl_reason() + ")");
  }
  if (auto known =
          check_words(scratch.get(), SSL_CTX_set_cipher_list, "ciphers", settings.ciphers, ": ;,");
      !known) {
    return known;
  }
  return check_words(scratch.get(), SSL_CTX_set_ciphersuites, "ciphersuites", settings.ciphersuites,
                     ":");
}

Result<void> set_algorithms(SSL_CTX* context, const ListenerTls& settings) {
  const std::string ciphers = settings.ciphers.empty() ? kCiphers12 : settings.ciphers;
  if (SSL_CTX_set_cipher_list(context, (ciphers + kNeverCiphers).c_str()) != 1) {
    return refused("ciphers", ciphers);
  }
  const std::string suites = suites_of(settings);
  if (SSL_CTX_set_ciphersuites(context, suites.c_str()) != 1) {
    return refused("ciphersuites", suites);
  }
  const std::string groups = settings.groups.empty() ? kGroups : settings.groups;
  if (SSL_CTX_set1_groups_list(context, groups.c_str()) != 1) {
    return refused("groups", groups);
  }
  if (!settings.sigalgs.empty() &&
      (SSL_CTX_set1_sigalgs_list(context, settings.sigalgs.c_str()) != 1 ||
       SSL_CTX_set1_client_sigalgs_list(context, settings.sigalgs.c_str()) != 1)) {
    return refused("sigalgs", settings.sigalgs);
  }
  SSL_CTX_set_dh_auto(context, 1);  // for configured DHE suites; the default list has none
  return {};
}

std::string_view version_name(unsigned version) {
  return version == TLS1_3_VERSION ? "1.3" : version == TLS1_2_VERSION ? "1.2" : "unknown";
}

Result<void> set_versions(SSL_CTX* context, const ListenerTls& settings) {
  if (settings.min_version > settings.max_version ||
      SSL_CTX_set_min_proto_version(context, static_cast<int>(settings.min_version)) != 1) {
    return refused("min_version", version_name(settings.min_version));
  }
  if (SSL_CTX_set_max_proto_version(context, static_cast<int>(settings.max_version)) != 1) {
    return refused("max_version", version_name(settings.max_version));
  }
  return {};
}

void set_options(SSL_CTX* context, const ListenerTls& settings) {
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  if (!chooses_in_clients_order(settings)) {
    SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  }
  // NO_AUTO_CHAIN: else OpenSSL looks for the issuers of our certificate among the *client* CAs, in
  // every handshake. A write is never partial (TlsSession::write), so no ENABLE_PARTIAL_WRITE.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_max_cert_list(context, kClientChainBytesMax);
}

void set_resumption(SSL_CTX* context, const TicketPolicy& policy) {
  if (policy.session_ids) {
    // Ours alone: nothing is kept in the context, so there is nothing in it to clear either.
    SSL_CTX_set_session_cache_mode(
        context, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL | SSL_SESS_CACHE_NO_AUTO_CLEAR);
    install_session_callbacks(context);
  } else {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  }
  SSL_CTX_set_max_early_data(context, 0);  // more makes tickets stateful (DESIGN §8)
  SSL_CTX_set_timeout(context, static_cast<long>(policy.session_lifetime.count()));
  install_ticket_callbacks(context);
  if (policy.enabled) {
    SSL_CTX_clear_options(context, SSL_OP_NO_TICKET);
  } else {
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  }
  // NO_TICKET alone makes those of TLS 1.3 stateful.
  const bool issues13 = policy.enabled || (policy.session_ids && policy.stateful_tls13);
  SSL_CTX_set_num_tickets(context, issues13 ? policy.per_handshake : 0);
}

}  // namespace

int verify_mode(ClientAuth auth) {
  switch (auth) {
    case ClientAuth::kOff:
      return SSL_VERIFY_NONE;
    case ClientAuth::kOptional:  // none is fine, one that does not verify is refused
      return SSL_VERIFY_PEER;
    case ClientAuth::kRequired:
      return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  }
  CHECK(false);
}

Result<ContextMaker> ContextMaker::create(OSSL_LIB_CTX* library, const ListenerTls& settings) {
  if (auto known = check_lists(library, settings); !known) {
    return Unexpected(std::move(known).error());
  }
  ContextMaker maker(library, settings);
  if (settings.client_auth != ClientAuth::kOff) {
    CHECK(settings.trust != nullptr);
    if (auto trust = maker.read_trust(); !trust) {
      return Unexpected(std::move(trust).error());
    }
  }
  return maker;
}

Result<void> ContextMaker::read_trust() {
  client_store_.reset(X509_STORE_new());
  CHECK(client_store_ != nullptr);
  auto authorities = certificates_in(library_, bytes_of(settings_.trust->ca_pem));
  if (!authorities) {
    return Unexpected(std::move(authorities).error().within("client_ca"));
  }
  client_cas_ = std::move(*authorities);
  for (const X509Ptr& authority : client_cas_) {
    CHECK(X509_STORE_add_cert(client_store_.get(), authority.get()) == 1);
  }
  if (settings_.trust->crl_pem.empty()) {
    return {};
  }
  auto lists = revocation_lists_in(library_, bytes_of(settings_.trust->crl_pem));
  if (!lists) {
    return Unexpected(std::move(lists).error().within("client_crl"));
  }
  for (const X509CrlPtr& list : *lists) {
    CHECK(X509_STORE_add_crl(client_store_.get(), list.get()) == 1);
  }
  // The whole chain, as nginx, HAProxy and hitch do: each CA in it needs its list in the file, and
  // a client whose CA has none, or one past its next update, is refused.
  X509_STORE_set_flags(client_store_.get(), X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  return {};
}

Result<SslCtxPtr> ContextMaker::make() const {
  ERR_clear_error();
  SslCtxPtr context(SSL_CTX_new_ex(library_, nullptr, TLS_server_method()));
  if (context == nullptr) {
    return fail("OpenSSL makes no TLS context (" + take_openssl_reason() + ")");
  }
  set_options(context.get(), settings_);
  if (auto set = set_versions(context.get(), settings_); !set) {
    return Unexpected(std::move(set).error());
  }
  if (auto set = set_algorithms(context.get(), settings_); !set) {
    return Unexpected(std::move(set).error());
  }
  set_resumption(context.get(), settings_.tickets);
  install_handshake_callbacks(context.get());
  SSL_CTX_set_verify(context.get(), verify_mode(settings_.client_auth), on_verify_step);
  SSL_CTX_set_verify_depth(context.get(), static_cast<int>(settings_.verify_depth));
  if (client_store_ != nullptr) {
    SSL_CTX_set1_cert_store(context.get(), client_store_.get());
    for (const X509Ptr& authority : client_cas_) {
      CHECK(SSL_CTX_add_client_CA(context.get(), authority.get()) == 1);
    }
  }
  return context;
}

Result<void> ContextMaker::add_credential(SSL_CTX* context, const Credential& credential) const {
  const auto too_weak = [&](const std::string& path) {
    return fail(path + ": OpenSSL refuses it at security level " +
                std::to_string(SSL_CTX_get_security_level(context)) + " (" + take_openssl_reason() +
                ")");
  };
  auto chain = certificates_in(library_, bytes_of(credential.chain_pem));
  if (!chain) {
    return Unexpected(std::move(chain).error().within(credential.chain_path));
  }
  auto key = private_key_in(library_, credential.key_pem.bytes());
  if (!key) {
    return Unexpected(std::move(key).error().within(credential.key_path));
  }
  ERR_clear_error();
  if (SSL_CTX_use_certificate(context, chain->front().get()) != 1) {
    return too_weak(credential.chain_path);
  }
  if (SSL_CTX_use_PrivateKey(context, key->get()) != 1) {
    return too_weak(credential.key_path);
  }
  for (std::size_t i = 1; i < chain->size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context, (*chain)[i].get()) != 1) {
      return too_weak(credential.chain_path);
    }
  }
  return {};
}

}  // namespace usher::tls
