#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "proxy/config/place.h"

namespace usher::config {

struct BackendServer {
  std::string host;  // a name or a literal address
  std::uint16_t port = 0;
  unsigned weight = 1;
  std::string label() const;  // "host:port" as configured: the metric label
  bool operator==(const BackendServer&) const = default;
};

enum class Balance { kRoundRobin, kLeastConnections, kHashClient, kHashHeader };
enum class ProxyProtocol { kOff, kV1, kV2 };

enum class HealthType { kOff, kTcp, kHttp };

// Active checks: `fall` failures in a row take a server out, `rise` successes bring it back.
struct Health {
  HealthType type = HealthType::kOff;
  std::string path = "/";
  Milliseconds interval{2'000};
  Milliseconds timeout{1'000};
  unsigned rise = 2;
  unsigned fall = 3;
  bool operator==(const Health&) const = default;
};

struct Backend {
  std::string name;
  std::vector<BackendServer> servers;
  Balance balance = Balance::kRoundRobin;
  ProxyProtocol proxy_protocol = ProxyProtocol::kOff;
  Milliseconds connect_timeout{5'000};
  Milliseconds resolve_every{30'000};
  std::string hash_header;  // lower case; of Balance::kHashHeader
  // Of the HTTP modes (max_connections, slow start, ejection and health of all):
  Milliseconds first_byte_timeout{60'000};
  Milliseconds idle_timeout{300'000};
  std::size_t pool_idle = 32;  // idle connections kept per server and worker
  Milliseconds pool_idle_timeout{60'000};
  std::size_t max_connections = 0;  // per server, of the process; 0: no limit
  std::size_t queue = 0;            // requests that wait for one, per worker
  Milliseconds slow_start{0};
  unsigned eject_after = 5;  // failures in a row; 0: never
  Milliseconds eject_for{10'000};
  bool tls = false;
  std::string tls_ca;           // PEM path; "": the system's
  std::string tls_server_name;  // for SNI and verification; "": the server's host
  bool tls_verify = true;
  Health health;
  Place place;
  bool operator==(const Backend&) const = default;
};

// Equal wherever in a file they stand.
bool same_settings(const Backend& a, const Backend& b);

}  // namespace usher::config
