#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/base/result.h"

namespace usher::push {

// "unix:/path" or "tls:HOST:PORT" ("tls:[::1]:7443"). HOST is the name that keyd's certificate must
// have (a DNS SAN; an IP SAN when it is an address). PORT 0 means something to listeners only.
struct Endpoint {
  bool tls = false;
  std::string path;  // unix
  std::string host;  // tls
  std::uint16_t port = 0;
  std::string text;  // as configured: metric label, log field
};

// Errors quote the text and show what was expected.
Result<Endpoint> parse_endpoint(std::string_view text);

}  // namespace usher::push
