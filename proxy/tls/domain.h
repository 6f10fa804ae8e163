#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "proxy/tls/credential.h"
#include "proxy/tls/session_env.h"

namespace usher::tls {

enum class ClientAuth : std::uint8_t { kOff, kOptional, kRequired };

// SHA-256("usher domain 1" ‖ client_auth ‖ verify depth ‖ sorted SHA-256 of the client CAs ‖ CRL
// digest ‖ pattern), every part with a length prefix so that no two inputs run together (DESIGN
// §5). The pattern is the one name under which the SNI was found. The listener is not part of it.
Domain resumption_domain(ClientAuth auth, unsigned verify_depth, const ClientTrust* trust,
                         std::string_view pattern);

}  // namespace usher::tls
