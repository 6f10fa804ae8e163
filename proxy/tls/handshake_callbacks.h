#pragma once

#include <openssl/ssl.h>

namespace usher::tls {

// Installs what every context of a listener shares, because OpenSSL runs these on whichever context
// the connection has at that moment (DESIGN §4): ClientHello, server_name, ALPN and message
// callbacks. They keep no state of their own: everything is found through SessionEnv::of(ssl).
void install_handshake_callbacks(SSL_CTX* context);

// Sees each step of a client certificate's verification; keeps OpenSSL's verdict and notes the
// reason.
int on_verify_step(int ok, X509_STORE_CTX* chain);

}  // namespace usher::tls
