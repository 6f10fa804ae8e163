#include <gtest/gtest.h>

#include "tests/unit/config/support/sample.h"

// What was written arrives in the structs.
namespace usher::config {
namespace {

using namespace std::chrono_literals;

Config config_of(std::string_view text) {
  auto config = parse(text, "usher.toml");
  EXPECT_TRUE(config) << config.error().messages.front();
  return config ? *std::move(config) : Config();
}

TEST(Values, Defaults) {
  const Config config = config_of(Sample().text());
  EXPECT_EQ(config.path, "usher.toml");
  EXPECT_FALSE(config.process.node.empty());
  EXPECT_GE(config.process.workers, 1U);
  EXPECT_EQ(config.process.drain_timeout, 30s);
  EXPECT_EQ(config.log.access, "off");
  EXPECT_EQ(config.admin.listen, "127.0.0.1:9464");
  EXPECT_EQ(config.admin.socket, "/run/usher/usher.sock");
  EXPECT_EQ(config.tls.min_version, 0x0303U);
  EXPECT_EQ(config.tls.max_version, 0x0304U);
  EXPECT_EQ(config.tls.session_lifetime, 6h);
  EXPECT_EQ(config.tls.lineage_max, 24h);
  EXPECT_EQ(config.tls.handshake_timeout, 10s);
  EXPECT_EQ(config.tickets.rotate_every, 1h);
  EXPECT_EQ(config.tickets.seal_max_age, 3h);
  EXPECT_EQ(config.tickets.open_max_age, 9h);
  EXPECT_EQ(config.listeners.at(0).idle_timeout, 5min);
  EXPECT_EQ(config.listeners.at(0).verify_depth, 4U);
  EXPECT_EQ(config.backends.at(0).connect_timeout, 5s);
  EXPECT_EQ(config.backends.at(0).resolve_every, 30s);
  EXPECT_TRUE(config.warnings.empty());
}

TEST(Values, Globals) {
  const Config config = config_of(R"(
process = { node = "n1", workers = 3, user = "usher", max_connections = 9, drain_delay = "2s" }
[log]
level = "debug"
format = "json"
access = "/var/log/access"
[admin]
listen = ""
socket = ""
allow_groups = ["adm", "wheel"]
[tls]
min_version = "1.3"
ciphers = "A"
ciphersuites = "B"
groups = "C"
sigalgs = "D"
[tickets]
source = "off"
per_handshake = 2
[[listener]]
address = "[::1]:443"
backend = "b"
certificate = [{ chain = "c", key = "k" }]
[[backend]]
name = "b"
servers = ["s:1"]
)");
  EXPECT_EQ(config.process.node, "n1");
  EXPECT_EQ(config.process.workers, 3U);
  EXPECT_EQ(config.process.user, "usher");
  EXPECT_EQ(config.process.max_connections, 9U);
  EXPECT_EQ(config.process.drain_delay, 2s);
  EXPECT_EQ(config.log.level, log::Level::kDebug);
  EXPECT_EQ(config.log.format, log::Format::kJson);
  EXPECT_EQ(config.log.access, "/var/log/access");
  EXPECT_EQ(config.admin.listen + config.admin.socket, "");
  EXPECT_EQ(config.admin.allow_groups, (std::vector<std::string>{"adm", "wheel"}));
  EXPECT_EQ(config.tls.min_version, 0x0304U);
  EXPECT_EQ(config.tls.ciphers + config.tls.ciphersuites + config.tls.groups + config.tls.sigalgs,
            "ABCD");
  EXPECT_EQ(config.tickets.source, TicketSource::kOff);
  EXPECT_EQ(config.tickets.per_handshake, 2U);
  EXPECT_EQ(config.tls.place.to_string(), "usher.toml:11");
}

TEST(Values, Listeners) {
  const Config config = config_of(R"([[listener]]
address = "[::1]:443"
backend = "b"
alpn = ["h2", "http/1.1"]
idle_timeout = "90s"
proxy_protocol = "on"
proxy_protocol_from = ["10.0.0.0/8", "::1"]
client_auth = "optional"
client_ca = "ca.pem"
client_crl = "crl.pem"
verify_depth = 0
[[listener.certificate]]
chain = "c1"
key = "k1"
[[listener.certificate]]
chain = "c2"
key = "k2"
names = ["*.Example", "www.example"]
[[backend]]
name = "b"
servers = ["s:1"]
)");
  const Listener& listener = config.listeners.at(0);
  EXPECT_EQ(listener.name, "[::1]:443");
  EXPECT_EQ(listener.address.to_string(), "[::1]:443");
  EXPECT_EQ(listener.backend, "b");
  EXPECT_EQ(listener.alpn, (std::vector<std::string>{"h2", "http/1.1"}));
  EXPECT_EQ(listener.idle_timeout, 90s);
  EXPECT_TRUE(listener.proxy_protocol);
  ASSERT_EQ(listener.proxy_protocol_from.size(), 2U);
  EXPECT_EQ(listener.proxy_protocol_from[1].to_string(), "::1/128");
  EXPECT_EQ(listener.client_auth, ClientAuth::kOptional);
  EXPECT_EQ(listener.client_ca + " " + listener.client_crl, "ca.pem crl.pem");
  EXPECT_EQ(listener.verify_depth, 0U);
  EXPECT_EQ(listener.place.line, 1U);
  ASSERT_EQ(listener.certificates.size(), 2U);
  EXPECT_EQ(listener.certificates[0].place.line, 12U);
  EXPECT_EQ(listener.certificates[1].key, "k2");
  EXPECT_EQ(listener.certificates[1].names, (std::vector<std::string>{"*.example", "www.example"}));
}

TEST(Values, Backends) {
  Sample sample;
  sample.put("[[backend]]", "balance = \"least_connections\"");
  sample.put("[[backend]]", "proxy_protocol = \"v2\"");
  sample.put("[[backend]]", "connect_timeout = \"250ms\"");
  sample.put("[[backend]]", "resolve_every = \"1s\"");
  sample.put("[[backend]]", "servers = [\"[::1]:81\", { address = \"App:82\", weight = 7 }]");
  const auto config = sample.parse();
  ASSERT_TRUE(config);
  const Backend& backend = config->backends.at(0);
  EXPECT_EQ(backend.balance, Balance::kLeastConnections);
  EXPECT_EQ(backend.proxy_protocol, ProxyProtocol::kV2);
  EXPECT_EQ(backend.connect_timeout, 250ms);
  EXPECT_EQ(backend.resolve_every, 1s);
  ASSERT_EQ(backend.servers.size(), 2U);
  EXPECT_EQ(backend.servers[0].label(), "[::1]:81");
  EXPECT_EQ(backend.servers[0].host, "::1");
  EXPECT_EQ(backend.servers[0].weight, 1U);
  EXPECT_EQ(backend.servers[1].label(), "app:82");
  EXPECT_EQ(backend.servers[1].weight, 7U);
}

}  // namespace
}  // namespace usher::config
