#pragma once

#include <nlohmann/json_fwd.hpp>

#include "proxy/server/session_caches.h"

namespace usher::server {

// For /status and the control socket: {"memory": {entries, max, bytes, evictions, lookups, stores},
// "redis": null | {cluster, nodes: [{node, up, breaker_open}], lookups, stores},
// "stateful_tls13"}; lookups and stores are numbers by result.
nlohmann::json sessions_json(const SessionCaches::Status& status);

}  // namespace usher::server
