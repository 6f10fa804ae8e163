#pragma once

#include <string>

#include "proxy/base/result.h"
#include "proxy/config/config.h"
#include "proxy/tls/credential.h"

namespace usher::server {

// `usher quick`: everything a first look needs, without a file. An HTTP listener, one backend,
// an ephemeral admin port, no control socket, embedded ticket keys.
Result<config::Config> quick_config(const std::string& listen, const std::string& backend);

// A self-signed ECDSA P-256 certificate for localhost, 127.0.0.1 and ::1, valid for 30 days, kept
// in memory.
Result<tls::CredentialPtr> make_self_signed();

}  // namespace usher::server
