#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "keyd/daemon.h"
#include "proxy/admin/http_server.h"
#include "proxy/metrics/registry.h"

namespace usher::keyd {

// What operators may ask of the process. Written by the server, read by the pages; main's thread.
struct ProcessStatus {
  std::string config;  // path
  std::string fleet;   // keyd.fleet
  std::chrono::system_clock::time_point started{};
  bool draining = false;
  std::uint64_t reloads_ok = 0;
  std::uint64_t reloads_failed = 0;
  std::string last_reload_error;  // "" when the last one went well
};

// The admin pages /metrics /healthz /readyz /status, and on the control socket GET /keys /nodes and
// the changes POST /keys/rotate /keys/revoke /keys/export /keys/import /nodes/forget /reload /drain
// (CONTRACT). Thread: main's loop. Owner: the server; what it is made of outlives it.
class Pages {
 public:
  struct Control {
    std::function<void()> reload;
    std::function<void()> drain;
  };

  Pages(Daemon& daemon, const metrics::Registry& registry, const ProcessStatus& status,
        Control control)
      : daemon_(daemon), registry_(registry), status_(status), control_(std::move(control)) {}

  void respond(admin::Request& request, const admin::HttpServer::Answer& answer);

 private:
  using Answer = admin::HttpServer::Answer;
  struct Page;

  void show_metrics(admin::Request& request, const Answer& answer);
  void show_health(admin::Request& request, const Answer& answer);
  void show_ready(admin::Request& request, const Answer& answer);
  void show_status(admin::Request& request, const Answer& answer);
  void show_keys(admin::Request& request, const Answer& answer);
  void show_nodes(admin::Request& request, const Answer& answer);
  void rotate(admin::Request& request, const Answer& answer);
  void revoke(admin::Request& request, const Answer& answer);
  void export_keys(admin::Request& request, const Answer& answer);
  void import_keys(admin::Request& request, const Answer& answer);
  void forget(admin::Request& request, const Answer& answer);
  void reload(admin::Request& request, const Answer& answer);
  void drain(admin::Request& request, const Answer& answer);
  void answer_rotated(const Daemon::Changed& changed, const Answer& answer) const;

  Daemon& daemon_;
  const metrics::Registry& registry_;
  const ProcessStatus& status_;
  const Control control_;
};

}  // namespace usher::keyd
