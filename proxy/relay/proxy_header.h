#pragma once

#include "proxy/base/byte_queue.h"
#include "proxy/config/backend.h"
#include "proxy/relay/application.h"

namespace usher::relay {

// Appends the PROXY header by which a backend learns of the client: nothing for kOff. To be the
// first bytes of a connection, which is then this client's alone.
void append_proxy_header(ByteQueue& to, config::ProxyProtocol wanted, const ClientPort& client);

}  // namespace usher::relay
