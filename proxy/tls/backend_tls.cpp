#include "proxy/tls/backend_tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <array>
#include <utility>

#include "proxy/base/bytes.h"
#include "proxy/base/check.h"
#include "proxy/tls/backend_session.h"
#include "proxy/tls/pem.h"

namespace usher::tls {
namespace {

// RFC 7301 §3.1: each name behind its length.
constexpr std::array<unsigned char, 9> kHttp11 = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

// Without a callback OpenSSL would ask for a password on the terminal.
int no_password(char*, int, int, void*) {
  return -1;
}

Unexpected<Error> out_of_order() {
  return fail("OpenSSL makes no TLS context for a backend (" + take_openssl_reason() + ")");
}

// A copy for the next connection to the server; returning 1 takes the reference
// (SSL_CTX_sess_set_new_cb(3)).
int on_new_session(SSL* ssl, SSL_SESSION* session) {
  static_cast<BackendSession*>(SSL_get_app_data(ssl))->keep(SslSessionPtr(session));
  return 1;
}

Result<void> set_trust(OSSL_LIB_CTX* library, SSL_CTX* context,
                       const BackendTlsSettings& settings) {
  if (!settings.verify) {
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
    return {};
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  if (settings.ca_pem.empty()) {
    if (SSL_CTX_set_default_verify_paths(context) != 1) {
      return out_of_order();
    }
    return {};
  }
  const auto authorities = certificates_in(library, bytes_of(settings.ca_pem));
  if (!authorities) {
    return Unexpected(Error(authorities.error()));
  }
  for (const X509Ptr& authority : *authorities) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.get()) != 1) {
      return out_of_order();
    }
  }
  // What the operator names is trusted, whether it is a root or not.
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
  return {};
}

bool set_rules(SSL_CTX* context) {
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, on_new_session);
  SSL_CTX_set_default_passwd_cb(context, no_password);
  return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
         SSL_CTX_set_alpn_protos(context, kHttp11.data(), kHttp11.size()) == 0;
}

// An address has no SNI (RFC 6066 §3) and is looked for among the certificate's addresses.
bool set_name(SSL* ssl, const std::string& name) {
  X509_VERIFY_PARAM* rules = SSL_get0_param(ssl);
  if (X509_VERIFY_PARAM_set1_ip_asc(rules, name.c_str()) == 1) {
    return true;
  }
  ERR_clear_error();
  X509_VERIFY_PARAM_set_hostflags(
      rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  // SSL_set_tlsext_host_name() is a macro of C casts.
  return X509_VERIFY_PARAM_set1_host(rules, name.data(), name.size()) == 1 &&
         SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                  const_cast<char*>(name.c_str())) == 1;
}

}  // namespace

Result<std::string> load_backend_ca(const std::string& path) {
  const auto file = read_pem_file(path);
  if (!file) {
    return Unexpected(Error(file.error()));
  }
  const auto authorities = certificates_in(nullptr, file->bytes());
  ERR_clear_error();
  if (!authorities) {
    return Unexpected(Error(authorities.error()).within(path));
  }
  if (authorities->empty()) {
    return fail(path + ": holds no certificate");
  }
  return to_pem(*authorities);
}

Result<std::shared_ptr<BackendTls>> BackendTls::create(
    OSSL_LIB_CTX* library, std::shared_ptr<const BackendTlsSettings> settings) {
  ERR_clear_error();
  SslCtxPtr context(SSL_CTX_new_ex(library, nullptr, TLS_client_method()));
  if (context == nullptr || !set_rules(context.get())) {
    return out_of_order();
  }
  if (auto trusted = set_trust(library, context.get(), *settings); !trusted) {
    return Unexpected(std::move(trusted).error());
  }
  ERR_clear_error();
  return std::shared_ptr<BackendTls>(new BackendTls(std::move(settings), std::move(context)));
}

BackendTls::BackendTls(std::shared_ptr<const BackendTlsSettings> settings, SslCtxPtr context)
    : settings_(std::move(settings)),
      context_(std::move(context)),
      sessions_(settings_->names.size()) {}

SslPtr BackendTls::make_ssl(std::size_t server) {
  ERR_clear_error();
  SslPtr ssl(SSL_new(context_.get()));
  if (ssl == nullptr || !set_name(ssl.get(), settings_->names[server])) {
    ERR_clear_error();
    return nullptr;
  }
  if (sessions_[server] != nullptr) {
    SSL_set_session(ssl.get(), sessions_[server].get());  // refused: a full handshake, no harm
  }
  SSL_set_connect_state(ssl.get());
  ERR_clear_error();
  return ssl;
}

}  // namespace usher::tls
