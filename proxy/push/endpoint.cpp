#include "proxy/push/endpoint.h"

#include <sys/un.h>

#include <algorithm>

#include "proxy/base/socket_address.h"

namespace usher::push {
namespace {

constexpr std::string_view kUnix = "unix:";
constexpr std::string_view kTls = "tls:";
constexpr std::size_t kPathMax = sizeof(sockaddr_un::sun_path) - 1;  // unix(7)

Unexpected<Error> refused(std::string_view text, const std::string& why) {
  return fail("'" + std::string(text) + "': " + why);
}

Result<Endpoint> parse_unix(std::string_view text) {
  const std::string_view path = text.substr(kUnix.size());
  if (!path.starts_with('/') || path.ends_with('/') || path.find('\0') != std::string_view::npos) {
    return refused(text, "unix: needs the absolute path of a socket, as in unix:/run/keyd.sock");
  }
  if (path.size() > kPathMax) {
    return refused(text, "the path has " + std::to_string(path.size()) +
                             " bytes; a socket's may have " + std::to_string(kPathMax));
  }
  Endpoint endpoint;
  endpoint.path = path;
  endpoint.text = text;
  return endpoint;
}

// A name that certificates can carry: labels of letters, digits, '-' and '_'. Neither a leading dot
// (OpenSSL would accept any name below it) nor a last one (no certificate has it).
bool is_host_name(std::string_view host) {
  return !host.empty() && host.front() != '.' && host.back() != '.' &&
         host.find("..") == std::string_view::npos && std::ranges::all_of(host, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.';
         });
}

Result<Endpoint> parse_tls(std::string_view text) {
  const std::string_view host_port = text.substr(kTls.size());
  const auto parts = parse_host_port(host_port);
  if (!parts) {
    return refused(text, "tls: needs HOST:PORT, as in tls:keyd-1.example:7443 or tls:[::1]:7443");
  }
  if (!SocketAddress::parse(host_port) &&
      (host_port.starts_with('[') || !is_host_name(parts->host))) {
    return refused(
        text, "'" + parts->host + "' is neither an address nor a name that a certificate can have");
  }
  Endpoint endpoint;
  endpoint.tls = true;
  endpoint.host = parts->host;
  endpoint.port = parts->port;
  endpoint.text = text;
  return endpoint;
}

}  // namespace

Result<Endpoint> parse_endpoint(std::string_view text) {
  if (text.starts_with(kUnix)) {
    return parse_unix(text);
  }
  if (text.starts_with(kTls)) {
    return parse_tls(text);
  }
  return refused(text, "an endpoint is unix:/path or tls:HOST:PORT");
}

}  // namespace usher::push
