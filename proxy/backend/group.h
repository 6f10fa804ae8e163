#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "proxy/backend/directory.h"
#include "proxy/config/config.h"

namespace usher::backend {

// A worker's view of one backend: chooses servers (weighted round robin or least connections, of
// this worker's connections). Thread: the worker's. Owner: shared by a generation and its
// connections.
class Group {
 public:
  Group(const config::Backend& settings, SharedEndpoints endpoints);

  struct Choice {
    std::size_t server = 0;  // index into the configuration's servers
    SocketAddress address;
  };
  // The servers and addresses a connection has tried; each address is tried at most once per
  // connection.
  struct Tried {
    std::vector<Choice> choices;  // allocates only after a first failure
  };
  // The next server to try; none when all addresses were tried or none is resolved.
  std::optional<Choice> choose(const Tried& tried);
  // Bookkeeping for least connections: a connection to the server was opened or closed.
  void connected(std::size_t server);
  void disconnected(std::size_t server);

  const config::Backend& settings() const { return settings_; }

 private:
  enum class Again : bool { kNo, kYes };  // may a server be tried at another of its addresses?
  std::optional<std::size_t> pick(const Endpoints& endpoints, const Tried& tried, Again again);
  bool usable(const Endpoints& endpoints, std::size_t server, const Tried& tried,
              Again again) const;
  std::optional<std::size_t> untried_address(const Endpoints& endpoints, std::size_t server,
                                             const Tried& tried) const;
  bool lighter(std::size_t a, std::size_t b) const;
  std::int64_t weight(std::size_t server) const;

  config::Backend settings_;
  SharedEndpoints snapshot_;
  Snapshot<Endpoints>::Reader endpoints_;
  struct Load {
    std::uint64_t connections = 0;
    std::int64_t credit = 0;  // smooth weighted round robin
    std::size_t next_address = 0;
  };
  std::vector<Load> loads_;
};

}  // namespace usher::backend
