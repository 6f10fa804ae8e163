#pragma once

#include <openssl/ssl.h>

#include "proxy/tls/session_env.h"

// The resumption rules of DESIGN §5, the same for tickets and for sessions by id. Called by
// OpenSSL's callbacks, for the connection of `env`. Thread: the worker's.
namespace usher::tls {

// Why a session that was opened may not be used on this connection; kResumed when it may. Notes the
// session's lineage.
OfferOutcome judge(SSL* ssl, SSL_SESSION* session, SessionEnv& env);

// Before a session is sealed or stored: writes its lineage (as ticket app-data, which is part of a
// session's DER) and its end into it. Notes whether that has come already (`ended`).
void stamp(SSL* ssl, SSL_SESSION* session, SessionEnv& env);

// When OpenSSL will refuse it, as its time and timeout say.
UnixSeconds end_of(const SSL_SESSION* session);

}  // namespace usher::tls
