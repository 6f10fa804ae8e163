#include <map>
#include <utility>

#include "proxy/config/sections.h"

namespace usher::config {
namespace {

// The first listener of each kind of mode that uses a backend; null: none does.
struct Use {
  const Listener* tcp = nullptr;
  const Listener* http = nullptr;
};

void note(const Listener*& user, const Listener& listener) {
  if (user == nullptr) {
    user = &listener;
  }
}

std::map<std::string_view, Use> uses_of(const Config& config) {
  std::map<std::string_view, Use> uses;
  for (const Listener& listener : config.listeners) {
    Use& own = uses[listener.backend];
    note(listener.mode == Mode::kTcp ? own.tcp : own.http, listener);
    for (const Route& route : listener.routes) {
      note(uses[route.backend].http, listener);
    }
  }
  return uses;
}

struct Conflict {
  std::string_view key;
  bool is_set;
};

void refuse(const Backend& backend, const Listener& user, const Conflict& conflict,
            std::string_view why, Findings& findings) {
  if (conflict.is_set) {
    findings.problem(backend.place.line,
                     "backend '" + backend.name + "' sets '" + std::string(conflict.key) +
                         "', which " + std::string(why) + " listener '" + user.name + "' (line " +
                         std::to_string(user.place.line) +
                         "); expected a backend without it; "
                         "remove the key, or make a [[backend]] for each listener");
  }
}

void check_use_in_tcp(const Backend& backend, const Listener& user, Findings& findings) {
  const Conflict impossible[] = {{"tls", backend.tls},
                                 {"balance", backend.balance == Balance::kHashHeader}};
  for (const Conflict& conflict : impossible) {
    refuse(backend, user, conflict, "'mode = \"tcp\"' cannot do for", findings);
  }
}

void check_idle_keys(const Backend& backend, const Listener& user, Findings& findings) {
  const Backend usual;
  const Conflict idle[] = {
      {"first_byte_timeout", backend.first_byte_timeout != usual.first_byte_timeout},
      {"idle_timeout", backend.idle_timeout != usual.idle_timeout},
      {"pool_idle", backend.pool_idle != usual.pool_idle},
      {"pool_idle_timeout", backend.pool_idle_timeout != usual.pool_idle_timeout},
      {"queue", backend.queue != usual.queue}};
  for (const Conflict& conflict : idle) {
    refuse(backend, user, conflict, "has no effect with 'mode = \"tcp\"' of", findings);
  }
}

}  // namespace

void check_backend_use(const Config& config, Findings& findings) {
  const auto uses = uses_of(config);
  for (const Backend& backend : config.backends) {
    const auto found = uses.find(backend.name);
    if (found == uses.end()) {
      continue;
    }
    const Use& use = found->second;
    if (use.tcp != nullptr) {
      check_use_in_tcp(backend, *use.tcp, findings);
      if (use.http == nullptr) {
        check_idle_keys(backend, *use.tcp, findings);
      }
    }
    if (use.http != nullptr && backend.proxy_protocol != ProxyProtocol::kOff) {
      findings.warning(backend.place.line,
                       "backend '" + backend.name +
                           "': a PROXY header stands for one client, so each request gets a "
                           "connection of its own; X-Forwarded-For costs less");
    }
  }
}

}  // namespace usher::config
