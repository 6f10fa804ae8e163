#include <utility>

#include "proxy/config/sections.h"
#include "proxy/config/toml_text.h"

namespace usher::config {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kWeightMax = 256;
constexpr std::int64_t kConnectionsMax = 1'000'000;  // of descriptors a process can have
constexpr std::int64_t kInARowMax = 1'000;
constexpr DurationRange kWait{1ms, 24h};
constexpr DurationRange kResolve{100ms, kYear};
constexpr DurationRange kSlowStart{0ms, 24h};
constexpr DurationRange kCheckInterval{100ms, 24h};

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

void read_balance(Section& section, Backend& to) {
  constexpr std::string_view kHeader = "hash:header:";
  std::string balance = "round_robin";
  section.text("balance", balance, kBalance);
  if (balance.starts_with(kHeader)) {
    to.balance = Balance::kHashHeader;
    to.hash_header = lower_case(std::string_view(balance).substr(kHeader.size()));
  } else if (balance == "hash:client") {
    to.balance = Balance::kHashClient;
  } else if (balance == "least_connections") {
    to.balance = Balance::kLeastConnections;
  }
}

void read_times(Section& section, Backend& to) {
  section.duration("connect_timeout", to.connect_timeout, kWait);
  section.duration("first_byte_timeout", to.first_byte_timeout, kWait);
  section.duration("idle_timeout", to.idle_timeout, kWait);
  section.duration("resolve_every", to.resolve_every, kResolve);
}

void read_limits(Section& section, Backend& to) {
  section.integer("pool_idle", to.pool_idle, 0, kConnectionsMax);
  section.duration("pool_idle_timeout", to.pool_idle_timeout, kWait);
  section.integer("max_connections", to.max_connections, 0, kConnectionsMax);
  section.integer("queue", to.queue, 0, kConnectionsMax);
  if (to.queue > 0 && to.max_connections == 0 && section.good({"queue", "max_connections"})) {
    refuse_without_effect(section, "queue", "'max_connections' is 0", "'max_connections'");
  }
  section.duration("slow_start", to.slow_start, kSlowStart);
  section.integer("eject_after", to.eject_after, 0, kInARowMax);
  section.duration("eject_for", to.eject_for, kWait);
}

void read_backend_tls(Section& section, Backend& to) {
  section.boolean("tls", to.tls);
  section.text("tls_ca", to.tls_ca, kOptionalFile);
  section.text("tls_server_name", to.tls_server_name, kTlsServerName);
  section.boolean("tls_verify", to.tls_verify);
  if (!section.good({"tls", "tls_ca", "tls_server_name", "tls_verify"})) {
    return;
  }
  if (to.tls) {
    if (!to.tls_verify && !to.tls_ca.empty()) {
      refuse_without_effect(section, "tls_ca", "'tls_verify' is false", "'tls_verify = true'");
    } else if (!to.tls_verify) {
      section.findings().warning(
          section.line("tls_verify"),
          section.shown("tls_verify") + ": whoever answers at a server's address is taken for it");
    }
    return;
  }
  const std::pair<std::string_view, bool> unused[] = {
      {"tls_ca", !to.tls_ca.empty()},
      {"tls_server_name", !to.tls_server_name.empty()},
      {"tls_verify", !to.tls_verify}};
  for (const auto& [key, is_set] : unused) {
    if (is_set) {
      refuse_without_effect(section, key, "'tls' is false", "'tls = true'");
    }
  }
}

void read_health(Section& section, Health& to) {
  section.choice(
      "type", to.type,
      {{"off", HealthType::kOff}, {"tcp", HealthType::kTcp}, {"http", HealthType::kHttp}});
  section.text("path", to.path, kHealthPath);
  section.duration("interval", to.interval, kCheckInterval);
  section.duration("timeout", to.timeout, kWait);
  section.integer("rise", to.rise, 1, kInARowMax);
  section.integer("fall", to.fall, 1, kInARowMax);
  section.finish();
  if (!section.good({"type"})) {
    return;
  }
  const Health usual;
  const std::pair<std::string_view, bool> checks[] = {{"interval", to.interval != usual.interval},
                                                      {"timeout", to.timeout != usual.timeout},
                                                      {"rise", to.rise != usual.rise},
                                                      {"fall", to.fall != usual.fall}};
  for (const auto& [key, is_set] : checks) {
    if (is_set && to.type == HealthType::kOff) {
      refuse_without_effect(section, key, "'type' is \"off\"", R"('type = "tcp"' or "http")");
    }
  }
  if (to.path != usual.path && to.type != HealthType::kHttp) {
    refuse_without_effect(section, "path", "'type' is not \"http\"", "'type = \"http\"'");
  }
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
  read_balance(section, to);
  section.choice(
      "proxy_protocol", to.proxy_protocol,
      {{"off", ProxyProtocol::kOff}, {"v1", ProxyProtocol::kV1}, {"v2", ProxyProtocol::kV2}});
  read_times(section, to);
  read_limits(section, to);
  read_backend_tls(section, to);
  Section health(section.table("health"), "[backend.health]", section);
  read_health(health, to.health);
  section.finish();
}

}  // namespace usher::config
