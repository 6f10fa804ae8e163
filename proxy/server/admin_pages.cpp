#include "proxy/server/admin_pages.h"

#include <openssl/crypto.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "proxy/admin/json_response.h"
#include "proxy/admin/key_requests.h"
#include "proxy/keyring/ring_json.h"
#include "proxy/server/listening_sockets.h"
#include "proxy/server/session_json.h"

namespace usher::server {
namespace {

using nlohmann::json;

std::int64_t unix_time(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

std::string_view name_of(config::Mode mode) {
  switch (mode) {
    case config::Mode::kTcp:
      return "tcp";
    case config::Mode::kHttp:
      return "http";
    case config::Mode::kRedirect:
      return "redirect";
  }
  return "";
}

json certificates_json(const Generation::Listener& listener) {
  json list = json::array();
  if (listener.tls) {
    for (const tls::CredentialPtr& credential : listener.tls->credentials) {
      list.push_back({{"chain", credential->chain_path},
                      {"names", credential->names},
                      {"key_type", credential->key_type},
                      {"not_after", credential->not_after.time_since_epoch().count()}});
    }
  }
  return list;
}

json routes_json(const config::Listener& listener) {
  json list = json::array();
  for (const config::Route& route : listener.routes) {
    list.push_back({{"host", route.host}, {"path", route.path}, {"backend", route.backend}});
  }
  return list;
}

json listeners_json(const ServerStatus& status) {
  json list = json::array();
  for (const Generation::Listener& listener : status.generation->listeners) {
    const auto bound = status.bound.find(socket_key(listener.settings));
    list.push_back({{"name", listener.settings.name},
                    {"address", bound == status.bound.end() ? listener.settings.address.to_string()
                                                            : bound->second.to_string()},
                    {"mode", name_of(listener.settings.mode)},
                    {"backend", listener.settings.backend},
                    {"routes", routes_json(listener.settings)},
                    {"certificates", certificates_json(listener)}});
  }
  return list;
}

json tickets_json(const keyring::KeyRing& ring) {
  const auto now = BootClock::now();
  json tickets = keyring::ring_json(ring, now);
  tickets["seals"] = ring.sealing_key(now) != nullptr;
  return tickets;
}

admin::Response plain(int status, std::string text) {
  return {status, "text/plain; charset=utf-8", std::move(text)};
}

}  // namespace

AdminPages::AdminPages(uv::Loop& loop, const ServerStatus& status,
                       const metrics::Registry& registry, const Snapshot<keyring::KeyRing>& rings,
                       const ConnectionLimit& limit, const CellStore& cells,
                       SessionCaches& sessions)
    : entrances_(loop),
      status_(status),
      registry_(registry),
      rings_(rings),
      limit_(limit),
      cells_(cells),
      sessions_(sessions) {}

void AdminPages::serve() {
  entrances_.serve([this](admin::Request& request, const admin::HttpServer::Answer& answer) {
    answer(respond(request));
  });
}

void AdminPages::set_control(KeyControl& keys, ProcessControl process) {
  control_.emplace(keys, sessions_, std::move(process), status_);
}

admin::Response AdminPages::respond(admin::Request& request) {
  if (control_) {
    if (auto response = control_->respond(request)) {
      return *std::move(response);
    }
  }
  if (auto refusal = admin::wrong_method(request, false)) {
    return *std::move(refusal);
  }
  if (request.path == "/metrics") {
    return {200, "text/plain; version=0.0.4; charset=utf-8", registry_.text()};
  }
  if (request.path == "/healthz") {
    return plain(200, "ok\n");
  }
  if (request.path == "/readyz") {
    if (status_.draining) {
      return plain(503, "draining\n");
    }
    return status_.ready ? plain(200, "ready\n") : plain(503, "starting\n");
  }
  if (request.path == "/status") {
    return admin::json_response(200, status_json());
  }
  return admin::error_response(404, "not found; there are /metrics /healthz /readyz /status");
}

json AdminPages::backends_json() const {
  json list = json::array();
  const auto& backends = status_.generation->config.backends;
  for (std::size_t i = 0; i < backends.size(); ++i) {
    json servers = json::array();
    for (std::size_t server = 0; server < backends[i].servers.size(); ++server) {
      const auto counts = cells_.counts(backends[i], server);
      servers.push_back({{"address", backends[i].servers[server].label()},
                         {"weight", backends[i].servers[server].weight},
                         {"up", status_.backends[i]->up(server)},
                         {"connections", counts.connections},
                         {"ejected_by_workers", counts.ejected}});
    }
    list.push_back({{"name", backends[i].name}, {"servers", std::move(servers)}});
  }
  return list;
}

json AdminPages::status_json() const {
  json status = {{"version", USHER_VERSION},
                 {"openssl", OpenSSL_version(OPENSSL_VERSION_STRING)},
                 {"state", status_.draining ? "draining"
                           : status_.ready  ? "ready"
                                            : "starting"},
                 {"started", unix_time(status_.started)},
                 {"connections", {{"open", limit_.open()}, {"max", limit_.most()}}},
                 {"tickets", tickets_json(*rings_.latest())},
                 {"sessions", sessions_json(sessions_.status())},
                 {"reloads",
                  {{"begun", status_.reloads_begun},
                   {"ok", status_.reloads_ok},
                   {"failed", status_.reloads_failed},
                   {"last_error", status_.last_reload_error}}}};
  if (status_.generation) {
    status["node"] = status_.generation->config.process.node;
    status["workers"] = status_.generation->config.process.workers;
    status["generation"] = status_.generation->number;
    status["config"] = status_.generation->config.path;
    status["listeners"] = listeners_json(status_);
    status["backends"] = backends_json();
  }
  return status;
}

}  // namespace usher::server
