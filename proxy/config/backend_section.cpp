#include <utility>

#include "proxy/config/sections.h"
#include "proxy/config/toml_text.h"

namespace usher::config {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kWeightMax = 256;
constexpr DurationRange kConnect{1ms, 24h};
constexpr DurationRange kResolve{100ms, kYear};

BackendServer server_from(const std::string& address, unsigned weight) {
  HostPort parts = *parse_host_port(address);
  return {lower_case(parts.host), parts.port, weight};
}

std::optional<BackendServer> read_server_table(const Value& table, Section& section) {
  Section server(&table, "an entry of 'servers' in " + section.title(), section.findings());
  std::string address;
  unsigned weight = 1;
  const bool complete = server.require("address", R"(one such as "127.0.0.1:8080"; add it)");
  server.text("address", address, kServerAddress);
  server.integer("weight", weight, 1, kWeightMax);
  server.finish();
  if (!complete || !server.good({"address"})) {
    return std::nullopt;
  }
  return server_from(address, weight);
}

std::optional<BackendServer> read_server(const Value& item, Section& section) {
  if (item.kind == Kind::kTable) {
    return read_server_table(item, section);
  }
  if (item.kind == Kind::kText && kServerAddress.holds(item.text)) {
    return server_from(item.text, 1);
  }
  section.problem(item.line, toml_text(item) + " in 'servers' of " + section.title() +
                                 " is wrong; expected " + std::string(kServerAddress.expected) +
                                 ", or { address = \"...\", weight = 2 }");
  return std::nullopt;
}

void read_servers(Section& section, Backend& to) {
  const Value* servers = section.list("servers");
  if (servers == nullptr) {
    return;
  }
  if (servers->items.empty()) {
    section.problem(servers->line, "'servers' of " + section.title() +
                                       " is empty; expected at least one \"HOST:PORT\"; add one");
  }
  Taken labels;
  for (const Value& item : servers->items) {
    auto server = read_server(item, section);
    if (!server) {
      continue;
    }
    if (!labels.emplace(server->label(), item.line).second) {
      section.problem(item.line, '"' + server->label() + "\" stands in 'servers' of " +
                                     section.title() +
                                     " twice; expected it once; give it a weight instead");
      continue;
    }
    to.servers.push_back(*std::move(server));
  }
}

void read_later_keys(Section& section) {
  section.later({{"first_byte_timeout", 60s},
                 {"idle_timeout", 5min},
                 {"pool_idle", 32},
                 {"pool_idle_timeout", 60s},
                 {"max_connections", 0},
                 {"queue", 0},
                 {"slow_start", 0ms},
                 {"eject_after", 5},
                 {"eject_for", 10s},
                 {"tls", false},
                 {"tls_ca", ""},
                 {"tls_server_name", ""},
                 {"tls_verify", true}});
  Section health(section.table("health"), "[backend.health]", section);
  health.later({{"path", "/"}, {"interval", 2s}, {"timeout", 1s}, {"rise", 2}, {"fall", 3}});
  bool off = true;
  health.choice("type", off, {{"off", true}}, {"tcp", "http"});
  health.finish();
}

}  // namespace

void read_backend(Section& section, Backend& to, Taken& names) {
  to.place = section.findings().place(section.line());
  section.require("name", "one for logs, metrics and listeners; add it");
  section.text("name", to.name, kName);
  if (!to.name.empty()) {
    take_once(section, "name", to.name, names, "give each backend its own");
  }
  section.require("servers", R"(a list such as ["127.0.0.1:8080"]; add it)");
  read_servers(section, to);
  section.choice(
      "balance", to.balance,
      {{"round_robin", Balance::kRoundRobin}, {"least_connections", Balance::kLeastConnections}},
      {"hash:client", "hash:header:*"});
  section.choice(
      "proxy_protocol", to.proxy_protocol,
      {{"off", ProxyProtocol::kOff}, {"v1", ProxyProtocol::kV1}, {"v2", ProxyProtocol::kV2}});
  section.duration("connect_timeout", to.connect_timeout, kConnect);
  section.duration("resolve_every", to.resolve_every, kResolve);
  read_later_keys(section);
  section.finish();
}

}  // namespace usher::config
