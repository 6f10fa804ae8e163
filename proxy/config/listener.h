#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "proxy/base/socket_address.h"
#include "proxy/config/place.h"

namespace usher::config {

enum class ClientAuth { kOff, kOptional, kRequired };

enum class Mode { kTcp, kHttp, kRedirect };

// Which of the forwarding fields a backend gets: X-Forwarded-*, Forwarded (RFC 7239), both, none.
enum class Forwarded { kX, kRfc7239, kBoth, kOff };

// Which requests of a listener go to another backend than its own.
struct Route {
  std::string host;  // lower case, exact or "*."; "" any
  std::string path;  // a prefix: "/api/"; "" any
  std::string backend;
  Place place;
};

struct Certificate {
  std::string chain;  // PEM paths
  std::string key;
  std::vector<std::string> names;  // empty: the certificate's own
  Place place;
};

struct Listener {
  std::string name;  // default: its address
  SocketAddress address;
  Mode mode = Mode::kTcp;
  std::string backend;  // "" for a redirect
  std::vector<std::string> alpn;
  Milliseconds idle_timeout{300'000};
  bool proxy_protocol = false;
  std::vector<Cidr> proxy_protocol_from;
  ClientAuth client_auth = ClientAuth::kOff;
  std::string client_ca;  // PEM paths
  std::string client_crl;
  unsigned verify_depth = 4;
  std::string
      session_context;  // "", "nginx", "nginx-stream", "haproxy" or "hex:" and 1 to 32 bytes
  std::vector<Certificate> certificates;
  // Of the HTTP modes:
  std::vector<Route> routes;
  std::vector<Cidr> trusted_proxies;  // whose own forwarding fields are kept
  Forwarded forwarded = Forwarded::kX;
  bool tls_headers = false;
  std::string hsts;  // value of Strict-Transport-Security; "" none
  std::size_t max_head_bytes = 32'768;
  std::size_t max_headers = 100;
  Place place;
};

}  // namespace usher::config
