#include "proxy/config/config.h"

namespace usher::config {

std::string Place::to_string() const {
  return file.empty() ? "usher quick" : file + ":" + std::to_string(line);
}

std::string BackendServer::label() const {
  const bool ipv6 = host.find(':') != std::string::npos;
  return (ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

bool same_settings(const Backend& a, const Backend& b) {
  Backend there = a;
  there.place = b.place;
  return there == b;
}

}  // namespace usher::config
