#pragma once

#include <cstdint>

#include "proxy/config/config.h"

namespace usher::server {

// Raises RLIMIT_NOFILE to its hard limit; returns the number of descriptors that are now allowed.
std::uint64_t raise_descriptor_limit();

// How many client connections those descriptors can carry: two each (client and backend), after a
// reserve for listeners, logs, admin connections and a reload's files. The configured number where
// it is smaller; a larger one is cut, with a warning.
std::uint64_t connections_allowed(const config::Config& config, std::uint64_t descriptors);

// Signals that come while files are read and workers are made wait until release_signals(), when
// there is somebody to handle them: a SIGHUP right after the start must not end the process. Before
// any thread is made.
void hold_signals();
void release_signals();

// No core dumps and no ptrace by others: memory holds private keys. Again after every change of
// user.
void forbid_core_dumps();

}  // namespace usher::server
