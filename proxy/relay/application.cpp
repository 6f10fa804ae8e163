#include "proxy/relay/application.h"

#include <utility>

#include "proxy/relay/services.h"
#include "proxy/tls/tls_session.h"

namespace usher::relay {

ClientPort::ClientPort(WorkerServices& services, std::shared_ptr<const ListenerState> listener,
                       const SocketAddress& peer)
    : services_(services), listener_(std::move(listener)), peer_(peer) {}

ClientPort::~ClientPort() = default;

}  // namespace usher::relay
