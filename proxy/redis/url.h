#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/base/result.h"

namespace usher::redis {

// Where a Redis server is and as whom to sign in there.
struct Server {
  std::string unix_path;  // a Unix socket; "": host and port
  std::string host;       // a name or an address without brackets
  std::uint16_t port = 6379;
  std::string user;      // an ACL user; "": the default one
  std::string password;  // "": no AUTH is sent
  std::uint16_t database = 0;
  std::string label;  // the URL without user and password: for logs, metrics and errors
  bool operator==(const Server&) const = default;
};

// "redis://[[user]:password@]host[:port][/db]" or "unix://[[user]:password@]/path[?db=N]". User,
// password and path are percent-decoded (RFC 3986 §2.1). Errors say what was expected; they never
// repeat the URL, in which a password may stand.
Result<Server> parse_url(std::string_view url);

}  // namespace usher::redis
