#include "proxy/tls/handshake_callbacks.h"

#include <openssl/err.h>

#include <algorithm>
#include <span>
#include <string_view>

#include "proxy/base/bytes.h"
#include "proxy/tls/client_hello.h"
#include "proxy/tls/offer.h"
#include "proxy/tls/server_context.h"
#include "proxy/tls/session_env.h"

namespace usher::tls {

namespace {

// KeyUpdates without application data between them (RFC 8446 §4.6.3 sets no limit): each costs key
// derivations and perhaps an answer, so a client could make work for nothing.
constexpr std::uint8_t kKeyUpdatesMax = 64;

int on_client_hello(SSL* ssl, int* alert, void*) {
  SessionEnv& env = SessionEnv::of(ssl);
  // Again after HelloRetryRequest or a look-up: the first run has decided.
  if (!env.hello_seen) {
    HelloFacts hello = read_hello(ssl);
    if (hello.sni_malformed) {
      env.failure = TlsFailure::kMalformed;
      ERR_raise(ERR_LIB_SSL, SSL_R_BAD_EXTENSION);  // else the log says "callback failed"
      *alert = SSL_AD_DECODE_ERROR;
      return SSL_CLIENT_HELLO_ERROR;
    }
    env.hello_seen = true;
    env.sni = std::move(hello.sni);
    env.context->apply(ssl, env.sni);
    note_offer(env, hello);
  }
  return answer_offer(ssl, env) ? SSL_CLIENT_HELLO_SUCCESS : SSL_CLIENT_HELLO_RETRY;
}

// Decides nothing; without it OpenSSL neither acknowledges the name nor stores it in the session.
int on_server_name(SSL*, int*, void*) {
  return SSL_TLSEXT_ERR_OK;
}

// RFC 7301 §3.2: the server's order decides; no overlap is fatal.
int on_alpn(SSL* ssl, const unsigned char** chosen, unsigned char* chosen_size,
            const unsigned char* offered, unsigned offered_size, void*) {
  SessionEnv& env = SessionEnv::of(ssl);
  const auto& protocols = env.context->settings().alpn;
  if (protocols.empty()) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  const std::span list(offered, offered_size);  // OpenSSL has checked the lengths inside
  for (const std::string& protocol : protocols) {
    for (std::size_t at = 0; at < list.size(); at += 1U + list[at]) {
      const auto name = text_of(std::as_bytes(list.subspan(at + 1, list[at])));
      if (name == protocol) {
        *chosen = list.data() + at + 1;
        *chosen_size = list[at];
        return SSL_TLSEXT_ERR_OK;
      }
    }
  }
  env.failure = TlsFailure::kAlpn;
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

void on_message(int is_write, int, int content_type, const void* bytes, std::size_t size, SSL* ssl,
                void*) {
  if (is_write != 0 || content_type != SSL3_RT_HANDSHAKE || size == 0 ||
      *static_cast<const unsigned char*>(bytes) != SSL3_MT_KEY_UPDATE) {
    return;
  }
  SessionEnv& env = SessionEnv::of(ssl);
  if (++env.key_updates > kKeyUpdatesMax) {
    env.failure = TlsFailure::kKeyUpdateFlood;  // the BIO now refuses to give more input
  }
}

TlsFailure failure_of(int verify_error) {
  switch (verify_error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return TlsFailure::kClientCertExpired;
    case X509_V_ERR_CERT_REVOKED:
      return TlsFailure::kClientCertRevoked;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return TlsFailure::kClientCertUnknownCa;
    default:
      return TlsFailure::kClientCertInvalid;
  }
}

}  // namespace

void install_handshake_callbacks(SSL_CTX* context) {
  SSL_CTX_set_client_hello_cb(context, on_client_hello, nullptr);
  // The macro of this name casts in C's way.
  SSL_CTX_callback_ctrl(context, SSL_CTRL_SET_TLSEXT_SERVERNAME_CB,
                        reinterpret_cast<void (*)()>(on_server_name));
  SSL_CTX_set_alpn_select_cb(context, on_alpn, nullptr);
  SSL_CTX_set_msg_callback(context, on_message);
}

int on_verify_step(int ok, X509_STORE_CTX* chain) {
  if (ok == 0) {
    const void* ssl = X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx());
    SessionEnv::of(static_cast<const SSL*>(ssl)).failure =
        failure_of(X509_STORE_CTX_get_error(chain));
  }
  return ok;
}

}  // namespace usher::tls
