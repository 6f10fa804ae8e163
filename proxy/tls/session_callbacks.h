#pragma once

#include <openssl/ssl.h>

#include "proxy/tls/session_env.h"

namespace usher::tls {

// Sessions by id (DESIGN §6): installs the callbacks that make an id, store a session and find the
// one that the hello's look-up brought. They find everything through SessionEnv::of(ssl). OpenSSL's
// remove callback is not among them: it runs for alerts inside a handshake too, where anyone who
// saw an id could delete its session (TlsSession does it by the rule of DESIGN §6), and for
// sessions that ended by themselves.
void install_session_callbacks(SSL_CTX* context);

// The tickets of TLS 1.3 on this connection are ids, while the cache makes any.
bool issues_stateful(const SessionEnv& env);

// Inside the making of a TLS 1.3 ticket, stamped and with its id: SSL_OP_NO_TICKET, which makes it
// stateful, or not, where the cache made no id: then it is sealed, if there is a key for that.
void choose_state(SSL* ssl, SessionEnv& env);

}  // namespace usher::tls
