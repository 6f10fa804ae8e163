#include "client/tls_client.h"

#include <openssl/err.h>

#include <cstring>

#include "socket.h"

namespace usher::bench {
namespace {

constexpr const char* kTls13Suite = "TLS_AES_128_GCM_SHA256";
constexpr const char* kTls12Suite = "ECDHE-ECDSA-AES128-GCM-SHA256";
// The proxies offer X25519 alone. P-256 is listed because a TLS 1.2 server uses a certificate on
// that curve only for clients that name it (RFC 8422 §5.1).
constexpr const char* kGroups = "X25519:P-256";
constexpr const char* kServerName = "localhost";

// One recv() then brings several records: the client shares its core with the backend, and what it
// saves there is load that it can put on the proxy.
constexpr size_t kReadBufferBytes = 64 * 1024;

int keep_session(SSL* ssl, SSL_SESSION* session) {
  static_cast<SslSessionPtr*>(SSL_get_app_data(ssl))->reset(session);
  return 1;  // The reference is ours now.
}

void must(long result, const char* what) {
  if (result != 1) {
    die(fmt::format("{}: {}", what, openssl_error()));
  }
}

}  // namespace

TlsClient::TlsClient(TlsVersion version, ComesBackWith comes_back_with)
    : version_(version), context_(SSL_CTX_new(TLS_client_method())) {
  SSL_CTX* context = context_.get();
  const int protocol = version == TlsVersion::kTls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
  must(SSL_CTX_set_min_proto_version(context, protocol), "minimum version");
  must(SSL_CTX_set_max_proto_version(context, protocol), "maximum version");
  must(SSL_CTX_set_ciphersuites(context, kTls13Suite), "TLS 1.3 suites");
  must(SSL_CTX_set_cipher_list(context, kTls12Suite), "TLS 1.2 suites");
  must(SSL_CTX_set1_groups_list(context, kGroups), "groups");
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  if (comes_back_with == ComesBackWith::kSessionId) {
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  }
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_read_buffer_len(context, kReadBufferBytes);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, keep_session);
}

SslPtr TlsClient::open(int fd, SSL_SESSION* offered, SslSessionPtr* newest) const {
  SslPtr ssl(SSL_new(context_.get()));
  SSL_set_app_data(ssl.get(), newest);
  must(SSL_set_fd(ssl.get(), fd), "SSL_set_fd");
  // SSL_set_tlsext_host_name() without the macro's C cast.
  must(SSL_ctrl(ssl.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                const_cast<char*>(kServerName)),
       "server name");
  if (offered != nullptr) {
    must(SSL_set_session(ssl.get(), offered), "SSL_set_session");
  }
  SSL_set_connect_state(ssl.get());
  return ssl;
}

void TlsClient::check_pinned(SSL* ssl) const {
  const char* wanted = version_ == TlsVersion::kTls13 ? kTls13Suite : kTls12Suite;
  const char* suite = SSL_get_cipher_name(ssl);
  if (std::strcmp(suite, wanted) != 0) {
    die(fmt::format("negotiated {} instead of {}", suite, wanted));
  }
  // A TLS 1.2 resumption exchanges no keys.
  const bool has_group = version_ == TlsVersion::kTls13 || SSL_session_reused(ssl) == 0;
  if (has_group && SSL_get_negotiated_group(ssl) != NID_X25519) {
    die("negotiated another group than X25519");
  }
}

const char* openssl_error() {
  static char text[256];
  ERR_error_string_n(ERR_peek_last_error(), text, sizeof text);
  return text;
}

}  // namespace usher::bench
