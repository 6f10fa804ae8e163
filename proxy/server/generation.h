#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proxy/base/result.h"
#include "proxy/config/config.h"
#include "proxy/config/parse.h"
#include "proxy/redis/url.h"
#include "proxy/tls/backend_tls.h"
#include "proxy/tls/credential.h"
#include "proxy/tls/server_context.h"

namespace usher::server {

// What one reading of the configuration and of all its files came to: checked by the main thread,
// immutable, shared with the workers, which make their own contexts from it. Thread: made on main,
// then any. Owner: shared by the server and the workers that build from it.
struct Generation {
  struct Listener {
    config::Listener settings;
    std::shared_ptr<const tls::ListenerTls> tls;  // null: a redirect, which speaks plain HTTP
    // Indices into the configuration's backends: of the listener (none for a redirect), and of each
    // of its routes.
    std::optional<std::size_t> backend;
    std::vector<std::size_t> routes;
  };
  struct Redis {
    std::vector<redis::Server> servers;  // empty: none
    bool cluster = false;
    std::chrono::milliseconds timeout{0};
    bool operator==(const Redis&) const = default;
  };
  using BackendTlsPtr = std::shared_ptr<const tls::BackendTlsSettings>;

  config::Config config;
  std::vector<Listener> listeners;
  std::vector<BackendTlsPtr> backend_tls;  // per backend of the configuration; null: plain TCP
  Redis redis;                             // of the session caches
  std::uint64_t number = 0;                // 1 at start, +1 with each successful reload
  std::vector<std::string> warnings;
};

using GenerationPtr = std::shared_ptr<const Generation>;

// Reads every file that the configuration names and makes a trial context of every listener and
// backend, so that what a worker builds later cannot fail. Problems are FILE:LINE messages.
// `built_in` is the certificate of `usher quick`, used for listeners that name none.
Result<GenerationPtr, config::Problems> load_generation(config::Config config, std::uint64_t number,
                                                        const tls::LibraryContext& library,
                                                        tls::CredentialPtr built_in = nullptr);

}  // namespace usher::server
