#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "proxy/admin/entrances.h"
#include "proxy/keyring/key_ring.h"
#include "proxy/metrics/registry.h"
#include "proxy/server/backend_watch.h"
#include "proxy/server/cell_store.h"
#include "proxy/server/connection_limit.h"
#include "proxy/server/control_pages.h"
#include "proxy/server/generation.h"

namespace usher::server {

// What operators may ask about. Written by the server, read by the pages; main's thread only.
struct ServerStatus {
  bool ready = false;
  bool draining = false;
  GenerationPtr generation;                    // null before the first is in force
  std::vector<BackendWatch::Ptr> backends;     // per backend of the generation
  std::map<std::string, SocketAddress> bound;  // by socket_key
  std::chrono::system_clock::time_point started{};
  std::string last_reload_error;    // "" when the last one went well
  std::uint64_t reloads_begun = 0;  // the number of the one under way or the last
  std::uint64_t reloads_ok = 0;
  std::uint64_t reloads_failed = 0;
};

// The admin pages on `admin.listen` and on the control socket: /metrics /healthz /readyz /status;
// on the control socket those of ControlPages too.
// Thread: main's loop. Owner: the server.
class AdminPages {
 public:
  AdminPages(uv::Loop& loop, const ServerStatus& status, const metrics::Registry& registry,
             const Snapshot<keyring::KeyRing>& rings, const ConnectionLimit& limit,
             const CellStore& cells, SessionCaches& sessions);

  // Before the privilege drop; `owner` is who we shall be. Nothing is served yet.
  Result<void> open(const config::Admin& settings, uid_t owner) {
    return entrances_.open(settings.listen, settings.socket, owner);
  }
  // Before serve(): what changes go to; both outlive the pages.
  void set_control(KeyControl& keys, ProcessControl process);
  void serve();  // from now on requests are answered
  void set_readers(std::vector<gid_t> readers) { entrances_.set_readers(std::move(readers)); }
  void close() { entrances_.close(); }
  const SocketAddress& address() const { return entrances_.address(); }

 private:
  admin::Response respond(admin::Request& request);
  nlohmann::json status_json() const;
  nlohmann::json backends_json() const;

  admin::Entrances entrances_;
  const ServerStatus& status_;
  const metrics::Registry& registry_;
  const Snapshot<keyring::KeyRing>& rings_;
  const ConnectionLimit& limit_;
  const CellStore& cells_;
  SessionCaches& sessions_;
  std::optional<ControlPages> control_;
};

}  // namespace usher::server
