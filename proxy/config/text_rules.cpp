#include "proxy/config/text_rules.h"

#include <arpa/inet.h>
#include <sys/un.h>

#include <algorithm>
#include <climits>

#include "proxy/base/socket_address.h"

namespace usher::config {
namespace {

constexpr std::size_t kNameBytesMax = 100;  // it stands in every metric of its listener or backend
constexpr std::size_t kLoginBytesMax = 32;  // useradd(8)
constexpr std::size_t kRoutePathBytesMax = 1024;  // looked at for each request

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_plain(std::string_view text) {
  return std::none_of(text.begin(), text.end(), is_control);
}

bool is_name(std::string_view text) {
  const auto printable = [](char c) { return c > 0x20 && c < 0x7f; };
  return !text.empty() && text.size() <= kNameBytesMax &&
         std::all_of(text.begin(), text.end(), printable);
}

// Letters, digits, '-' and, because real names have it, '_' (RFC 1123 §2.1 has no underscore).
bool is_label(std::string_view label) {
  const auto allowed = [](char c) { return is_letter_or_digit(c) || c == '-' || c == '_'; };
  return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
         std::all_of(label.begin(), label.end(), allowed);
}

bool is_host_name(std::string_view name) {
  if (name.empty() || name.size() > 253) {
    return false;
  }
  while (true) {
    const std::size_t dot = name.find('.');
    if (!is_label(name.substr(0, dot))) {
      return false;
    }
    if (dot == std::string_view::npos) {
      return true;
    }
    name.remove_prefix(dot + 1);
  }
}

bool is_ipv4(std::string_view text) {
  in_addr address{};
  return ::inet_pton(AF_INET, std::string(text).c_str(), &address) == 1;
}

bool is_login(std::string_view text) {
  const auto allowed = [](char c) {
    return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.' || c == '$';
  };
  return text.size() <= kLoginBytesMax && !text.starts_with('-') &&
         std::all_of(text.begin(), text.end(), allowed);
}

bool is_file(std::string_view text) {
  return !text.empty() && text.size() < PATH_MAX && is_plain(text);
}

bool is_socket_path(std::string_view text) {
  return text.empty() ||
         (text.front() == '/' && text.size() < sizeof sockaddr_un::sun_path && is_plain(text));
}

// A slash tells a path from a misspelled "stdout".
bool is_access_log(std::string_view text) {
  return text == "off" || text == "stdout" ||
         (is_file(text) && text.find('/') != std::string_view::npos && text.back() != '/');
}

bool is_listen_address(std::string_view text) {
  return SocketAddress::parse(text).has_value();
}

bool is_server_address(std::string_view text) {
  const auto parts = parse_host_port(text);
  if (!parts || parts->port == 0) {
    return false;
  }
  return text.front() == '[' ? is_listen_address(text) : is_host_name(parts->host);
}

bool is_keyd_endpoint(std::string_view text) {
  constexpr std::string_view kUnix = "unix:";
  constexpr std::string_view kTls = "tls:";
  if (text.starts_with(kUnix)) {
    text.remove_prefix(kUnix.size());
    return !text.empty() && is_socket_path(text);
  }
  return text.starts_with(kTls) && is_server_address(text.substr(kTls.size()));
}

// OpenSSL takes at most 32 bytes (SSL_MAX_SID_CTX_LENGTH).
bool is_session_context(std::string_view text) {
  constexpr std::string_view kHex = "hex:";
  if (text.starts_with(kHex)) {
    text.remove_prefix(kHex.size());
    return !text.empty() && text.size() <= 64 && text.size() % 2 == 0 &&
           text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
  }
  return text.empty() || text == "nginx" || text == "nginx-stream" || text == "haproxy";
}

bool is_protocol_name(std::string_view text) {
  return !text.empty() && text.size() <= 255 && is_plain(text);
}

bool is_certificate_name(std::string_view text) {
  if (text.starts_with("*.")) {
    text.remove_prefix(2);
  }
  return is_host_name(text) && !is_ipv4(text);
}

bool is_visible(char c) {
  return c > 0x20 && c < 0x7f;
}

bool is_route_host(std::string_view text) {
  return text.starts_with("*.") ? is_certificate_name(text) : is_host_name(text);
}

// RFC 3986 §3.3, as far as it matters here: what a request line can carry before its query.
bool is_route_path(std::string_view text) {
  return text.starts_with('/') && text.size() <= kRoutePathBytesMax &&
         std::all_of(text.begin(), text.end(), is_visible) &&
         text.find_first_of("?#") == std::string_view::npos;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(' ');
  return first == std::string_view::npos
             ? std::string_view()
             : text.substr(first, text.find_last_not_of(' ') - first + 1);
}

// Directives between semicolons, one of them max-age with a number of seconds.
bool is_hsts(std::string_view text) {
  constexpr std::string_view kMaxAge = "max-age=";
  bool has_age = text.empty();
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(';', at), text.size());
    const std::string directive = lower_case(trimmed(text.substr(at, end - at)));
    if (!std::all_of(directive.begin(), directive.end(), is_visible)) {
      return false;
    }
    if (directive.starts_with(kMaxAge)) {
      const bool is_number =
          directive.size() > kMaxAge.size() &&
          directive.find_first_not_of("0123456789", kMaxAge.size()) == std::string::npos;
      if (has_age || !is_number) {
        return false;
      }
      has_age = true;
    }
    at = end + 1;
  }
  return has_age;
}

// RFC 9110 §5.6.2.
bool is_token(std::string_view text) {
  return !text.empty() && text.size() <= kNameBytesMax &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return is_letter_or_digit(c) ||
                  std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
         });
}

bool is_balance(std::string_view text) {
  constexpr std::string_view kHeader = "hash:header:";
  if (text.starts_with(kHeader)) {
    return is_token(text.substr(kHeader.size()));
  }
  return text == "round_robin" || text == "least_connections" || text == "hash:client";
}

bool is_ipv6(std::string_view text) {
  in6_addr address{};
  return ::inet_pton(AF_INET6, std::string(text).c_str(), &address) == 1;
}

bool is_health_path(std::string_view text) {
  return text.starts_with('/') && text.size() <= kRoutePathBytesMax &&
         std::all_of(text.begin(), text.end(), is_visible) &&
         text.find('#') == std::string_view::npos;
}

}  // namespace

const TextRule kPlainText{is_plain, "text without control characters"};
const TextRule kName{is_name, "1 to 100 printable ASCII characters without spaces"};
const TextRule kNodeName{is_host_name, "a host name such as \"proxy-1.example\""};
const TextRule kUserName{is_login, "the name of a user, or \"\" to stay who started it"};
const TextRule kGroupName{[](std::string_view text) { return !text.empty() && is_login(text); },
                          "the name of a group"};
const TextRule kFile{is_file, "the path of a file"};
const TextRule kOptionalFile{[](std::string_view text) { return text.empty() || is_file(text); },
                             "the path of a file"};
const TextRule kSocketPath{is_socket_path,
                           "an absolute path of at most 107 bytes, or \"\" for no socket"};
const TextRule kAccessLog{is_access_log, R"("off", "stdout" or a path with a '/' in it)"};
const TextRule kListenAddress{is_listen_address, R"(IP:PORT such as "0.0.0.0:443" or "[::]:443")"};
const TextRule kOptionalAddress{
    [](std::string_view text) { return text.empty() || is_listen_address(text); },
    R"(IP:PORT such as "127.0.0.1:9464", or "" for none)"};
const TextRule kServerAddress{
    is_server_address,
    R"(HOST:PORT with a port of 1 to 65535, such as "app.internal:8080" or "[::1]:8080")"};
const TextRule kNetwork{
    [](std::string_view text) { return Cidr::parse(text).has_value(); },
    R"(an address or a network without host bits, such as "10.0.0.0/8" or "2001:db8::/32")"};
const TextRule kProtocolName{is_protocol_name,
                             "1 to 255 bytes without control characters, such as \"http/1.1\""};
const TextRule kKeydEndpoint{
    is_keyd_endpoint, R"("unix:/PATH" or "tls:HOST:PORT", such as "tls:keyd-1.example:7443")"};
const TextRule kSessionContext{
    is_session_context,
    R"("nginx", "nginx-stream", "haproxy", "hex:" with 1 to 32 bytes, or "" for none)"};
const TextRule kCertificateName{
    is_certificate_name,
    R"(a DNS name such as "www.example" or "*.example" (international names as "xn--..."))"};
const TextRule kRouteHost{is_route_host, R"(a host name such as "www.example" or "*.example")"};
const TextRule kRoutePath{is_route_path,
                          R"(the start of a path, such as "/api/", without '?' and '#')"};
const TextRule kHttpProtocol{
    [](std::string_view text) { return text == "h2" || text == "http/1.1"; },
    R"("h2" or "http/1.1" while 'mode' is "http")"};
const TextRule kHsts{is_hsts,
                     R"("max-age=SECONDS", perhaps with "; includeSubDomains", or "" for none)"};

const TextRule kBalance{
    is_balance, R"("round_robin", "least_connections", "hash:client" or "hash:header:NAME")"};
const TextRule kTlsServerName{
    [](std::string_view text) { return text.empty() || is_host_name(text) || is_ipv6(text); },
    R"(a host name or an IP address, or "" for the server's own)"};
const TextRule kHealthPath{is_health_path, R"(a path such as "/healthz", without '#')"};

std::string lower_case(std::string_view ascii) {
  std::string lower(ascii);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return lower;
}

}  // namespace usher::config
