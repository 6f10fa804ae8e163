#include "proxy/redis/url.h"

#include <sys/un.h>

#include <charconv>
#include <optional>
#include <utility>

#include "proxy/base/socket_address.h"

namespace usher::redis {
namespace {

constexpr std::string_view kForms =
    "expected redis://[[user]:password@]host[:port][/db] or unix://[[user]:password@]/path[?db=N]";

Unexpected<Error> refuse(std::string_view what) {
  return fail(std::string(what) + "; " + std::string(kForms));
}

template <class Number>
std::optional<Number> parse_number(std::string_view digits, int base = 10) {
  Number number{};
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, number, base);
  if (digits.empty() || error != std::errc() || stop != end) {
    return std::nullopt;
  }
  return number;
}

// None for a malformed escape and for NUL, which neither a path nor a person's password holds.
std::optional<std::string> percent_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char byte = text[i];
    if (byte == '%') {
      const auto value = i + 2 < text.size()
                             ? parse_number<unsigned char>(text.substr(i + 1, 2), 16)
                             : std::nullopt;
      if (!value) {
        return std::nullopt;
      }
      byte = static_cast<char>(*value);
      i += 2;
    }
    if (byte == '\0') {
      return std::nullopt;
    }
    decoded += byte;
  }
  return decoded;
}

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) {
    return false;
  }
  text.remove_prefix(prefix.size());
  return true;
}

// Takes "[user]:password@" off the front of `authority`.
Result<void> take_credentials(std::string_view& authority, Server& server) {
  const std::size_t at = authority.rfind('@');
  if (at == std::string_view::npos) {
    return {};
  }
  const std::string_view credentials = authority.substr(0, at);
  authority.remove_prefix(at + 1);
  const std::size_t colon = credentials.find(':');
  if (colon == std::string_view::npos || colon + 1 == credentials.size()) {
    return refuse("no password stands before the @");
  }
  auto user = percent_decoded(credentials.substr(0, colon));
  auto password = percent_decoded(credentials.substr(colon + 1));
  if (!user || !password) {
    return refuse("user or password has a bad percent escape");
  }
  server.user = *std::move(user);
  server.password = *std::move(password);
  return {};
}

Result<void> set_database(std::string_view digits, Server& server) {
  const auto number = parse_number<std::uint16_t>(digits);
  if (!number) {
    return refuse("the database is no number from 0 to 65535");
  }
  server.database = *number;
  return {};
}

Result<void> set_host(std::string_view text, Server& server) {
  const bool has_port = text.ends_with(']') ? false : text.rfind(':') != std::string_view::npos;
  const auto place = parse_host_port(has_port ? std::string(text) : std::string(text) + ":6379");
  if (!place || place->port == 0) {
    return refuse("host or port cannot be understood");
  }
  server.host = place->host;
  server.port = place->port;
  return {};
}

Result<Server> parse_tcp(std::string_view rest) {
  Server server;
  const std::size_t slash = rest.find('/');
  std::string_view authority = rest.substr(0, slash);
  const std::string_view database =
      slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  if (auto taken = take_credentials(authority, server); !taken) {
    return Unexpected(std::move(taken).error());
  }
  if (auto set = set_host(authority, server); !set) {
    return Unexpected(std::move(set).error());
  }
  if (!database.empty()) {
    if (auto set = set_database(database, server); !set) {
      return Unexpected(std::move(set).error());
    }
  }
  const bool is_ipv6 = server.host.find(':') != std::string::npos;
  server.label = "redis://" + (is_ipv6 ? "[" + server.host + "]" : server.host) + ":" +
                 std::to_string(server.port) + "/" + std::to_string(server.database);
  return server;
}

Result<Server> parse_unix(std::string_view rest) {
  Server server;
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos) {
    return refuse("the path is not absolute");
  }
  std::string_view authority = rest.substr(0, slash);
  std::string_view path = rest.substr(slash);
  if (auto taken = take_credentials(authority, server); !taken) {
    return Unexpected(std::move(taken).error());
  }
  if (!authority.empty()) {
    return refuse("the path is not absolute");
  }
  if (const std::size_t question = path.find('?'); question != std::string_view::npos) {
    std::string_view query = path.substr(question + 1);
    if (!take_prefix(query, "db=")) {
      return refuse("?db= alone may follow the path");
    }
    if (auto set = set_database(query, server); !set) {
      return Unexpected(std::move(set).error());
    }
    path = path.substr(0, question);
  }
  auto decoded = percent_decoded(path);
  if (!decoded || decoded->size() < 2 || decoded->size() >= sizeof(sockaddr_un::sun_path)) {
    return refuse("the path has a bad percent escape, is empty or longer than 107 bytes");
  }
  server.unix_path = *std::move(decoded);
  server.label = "unix://" + std::string(path) +
                 (server.database == 0 ? "" : "?db=" + std::to_string(server.database));
  return server;
}

}  // namespace

Result<Server> parse_url(std::string_view url) {
  if (take_prefix(url, "redis://")) {
    return parse_tcp(url);
  }
  if (take_prefix(url, "unix://")) {
    return parse_unix(url);
  }
  return url.starts_with("rediss://") ? refuse("TLS to Redis is not supported")
                                      : refuse("not the URL of a Redis server");
}

}  // namespace usher::redis
