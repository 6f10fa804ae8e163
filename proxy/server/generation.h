#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proxy/backend/directory.h"
#include "proxy/base/result.h"
#include "proxy/config/config.h"
#include "proxy/config/parse.h"
#include "proxy/tls/credential.h"
#include "proxy/tls/server_context.h"

namespace usher::server {

// What one reading of the configuration and of all its files came to: checked by the main thread,
// immutable, shared with the workers, which make their own contexts from it. Thread: made on main,
// then any. Owner: shared by the server and the workers that build from it.
struct Generation {
  struct Listener {
    config::Listener settings;
    std::shared_ptr<const tls::ListenerTls> tls;
    std::size_t backend = 0;  // index into the configuration's backends
  };

  config::Config config;
  std::vector<Listener> listeners;
  std::uint64_t number = 0;  // 1 at start, +1 with each successful reload
  std::vector<std::string> warnings;
};

using GenerationPtr = std::shared_ptr<const Generation>;

// Reads every file that the configuration names and makes a trial context of every listener, so
// that what a worker builds later cannot fail. Problems are FILE:LINE messages. `built_in` is the
// certificate of `usher quick`, used for listeners that name none.
Result<GenerationPtr, config::Problems> load_generation(config::Config config, std::uint64_t number,
                                                        const tls::LibraryContext& library,
                                                        tls::CredentialPtr built_in = nullptr);

}  // namespace usher::server
