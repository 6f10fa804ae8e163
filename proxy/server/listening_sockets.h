#pragma once

#include <map>
#include <string>
#include <vector>

#include "proxy/base/result.h"
#include "proxy/base/unique_fd.h"
#include "proxy/config/config.h"
#include "proxy/config/parse.h"

namespace usher::server {

// What tells one listener's sockets from another's across reloads: the address; with port 0 also
// the name.
std::string socket_key(const config::Listener& listener);

// Sockets bound by the main thread, one per worker and listener (SO_REUSEPORT), waiting to be
// handed out.
struct BoundListener {
  std::string key;
  SocketAddress address;  // port 0 made concrete
  std::vector<UniqueFd> per_worker;
};

// Binds every listener that is not in `known` (by key). Nothing stays bound on failure.
Result<std::vector<BoundListener>, config::Problems> bind_listeners(
    const std::vector<config::Listener>& listeners,
    const std::map<std::string, SocketAddress>& known, unsigned workers);

}  // namespace usher::server
