#include "proxy/server/process_limits.h"

#include <algorithm>

#include "proxy/base/log.h"

namespace usher::server {

std::uint64_t connections_allowed(const config::Config& config, std::uint64_t descriptors) {
  // Per worker: epoll, async and signal descriptors; 128 for admin connections, logs and files at
  // reload.
  const std::uint64_t reserve = 128 + config.process.workers * (8 + config.listeners.size());
  const std::uint64_t most =
      std::max<std::uint64_t>(1, descriptors > reserve ? (descriptors - reserve) / 2 : 1);
  const std::uint64_t wanted = config.process.max_connections;
  if (wanted > most) {
    log::warning("max_connections is cut to what the descriptor limit allows; raise LimitNOFILE",
                 {{"max_connections", wanted}, {"allowed", most}, {"descriptors", descriptors}});
  }
  return wanted == 0 ? most : std::min(wanted, most);
}

}  // namespace usher::server
