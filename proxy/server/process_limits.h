#pragma once

#include <cstdint>

#include "proxy/base/process.h"
#include "proxy/config/config.h"

namespace usher::server {

// How many client connections those descriptors can carry: two each (client and backend), after a
// reserve for listeners, logs, admin connections and a reload's files. The configured number where
// it is smaller; a larger one is cut, with a warning.
std::uint64_t connections_allowed(const config::Config& config, std::uint64_t descriptors);

}  // namespace usher::server
