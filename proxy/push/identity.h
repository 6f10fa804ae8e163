#pragma once

#include <optional>

#include "proxy/push/channel.h"

namespace usher::push {

// Who is at the other end of a connected socket, after the TLS handshake if there is one (`ssl`
// null: a Unix socket). nullopt when the kernel does not tell.
std::optional<PeerIdentity> identity_of(int fd, SSL* ssl);

}  // namespace usher::push
