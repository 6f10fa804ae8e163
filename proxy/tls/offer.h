#pragma once

#include <openssl/ssl.h>

#include "proxy/tls/client_hello.h"
#include "proxy/tls/session_env.h"

namespace usher::tls {

// What the client offers to resume, as the version that will be negotiated sees it; begins the
// look-up of a session by id where that can help. Once, in the hello callback, for the host chosen.
void note_offer(SessionEnv& env, const HelloFacts& hello);

// What the look-up, if any, has come to; false: it is under way, the handshake is suspended.
bool answer_offer(SSL* ssl, SessionEnv& env);

}  // namespace usher::tls
