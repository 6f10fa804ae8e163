#include "proxy/http/syntax.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "proxy/http/message.h"

namespace usher::http {

namespace characters {
namespace {

constexpr bool is_alphanumeric(unsigned char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

constexpr std::uint8_t classes_of(unsigned char c) {
  std::uint8_t classes = 0;
  if (is_alphanumeric(c) ||
      std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos) {
    classes |= kToken;
  }
  if (c > 0x20 && c < 0x7f && c != '#') {
    classes |= kTarget;
  }
  if (is_alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~') {
    classes |= kHostName;
  }
  if ((c < 0x20 && c != '\t') || c == 0x7f) {
    classes |= kControl;
  }
  return classes;
}

constexpr auto make_classes() {
  std::array<std::uint8_t, 256> classes{};
  for (unsigned c = 0; c < classes.size(); ++c) {
    classes[c] = classes_of(static_cast<unsigned char>(c));
  }
  return classes;
}

}  // namespace

constinit const std::array<std::uint8_t, 256> kClasses = make_classes();

}  // namespace characters

namespace {

constexpr std::size_t kHostMax = 255;  // RFC 1035 §2.3.4

bool all(std::string_view text, std::uint8_t classes) {
  return std::all_of(text.begin(), text.end(),
                     [classes](char c) { return characters::is(c, classes); });
}

// The next character of a path; of those that are percent-encoded only "." "/" and "\\" are
// decoded.
char take_decoded(std::string_view& path) {
  const std::string_view code = path.substr(0, 3);
  char decoded = '\0';
  if (same_name(code, "%2e")) {
    decoded = '.';
  } else if (same_name(code, "%2f")) {
    decoded = '/';
  } else if (same_name(code, "%5c")) {
    decoded = '\\';
  }
  const char c = decoded == '\0' ? path.front() : decoded;
  path.remove_prefix(decoded == '\0' ? 1 : code.size());
  return c;
}

bool is_ipv6(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> copy{};
  if (text.size() >= copy.size() || text.find('\0') != std::string_view::npos) {
    return false;
  }
  std::memcpy(copy.data(), text.data(), text.size());
  in6_addr address;
  return ::inet_pton(AF_INET6, copy.data(), &address) == 1;
}

bool is_name(std::string_view host) {
  return !host.empty() && host.size() <= kHostMax && all(host, characters::kHostName) &&
         host.front() != '.' && host.find("..") == std::string_view::npos;
}

bool is_port(std::string_view port) {
  unsigned value = 0;
  const char* end = port.data() + port.size();
  const auto [stop, error] = std::from_chars(port.data(), end, value);
  return !port.empty() && port.size() <= 5 && error == std::errc() && stop == end && value >= 1 &&
         value <= 65'535;
}

struct HostPort {
  std::string_view host;
  std::string_view port;
  bool has_port = false;
};

HostPort split_port(std::string_view authority) {
  const std::size_t colon = authority.rfind(':');
  if (colon == std::string_view::npos || authority.ends_with(']')) {
    return {authority, {}, false};
  }
  return {authority.substr(0, colon), authority.substr(colon + 1), true};
}

}  // namespace

bool has_dot_segment(std::string_view path) {
  std::size_t dots = 0;
  bool is_dots = true;  // the segment so far, parameters aside
  bool in_parameters = false;
  while (!path.empty()) {
    const char c = take_decoded(path);
    if (c == '/' || c == '\\') {
      if (is_dots && (dots == 1 || dots == 2)) {
        return true;
      }
      dots = 0;
      is_dots = true;
      in_parameters = false;
    } else if (c == ';') {
      in_parameters = true;
    } else if (!in_parameters) {
      dots += c == '.' ? 1 : 0;
      is_dots = is_dots && c == '.';
    }
  }
  return is_dots && (dots == 1 || dots == 2);
}

std::string_view without_port(std::string_view authority) {
  return split_port(authority).host;
}

bool is_token(std::string_view text) {
  return !text.empty() && all(text, characters::kToken);
}

bool is_field_value(std::string_view text) {
  if (text.empty()) {
    return true;
  }
  return !is_space(text.front()) && !is_space(text.back()) &&
         std::none_of(text.begin(), text.end(),
                      [](char c) { return characters::is(c, characters::kControl); });
}

bool is_target(std::string_view text) {
  return !text.empty() && all(text, characters::kTarget);
}

bool is_authority(std::string_view text) {
  const HostPort parts = split_port(text);
  if (parts.has_port && !is_port(parts.port)) {
    return false;
  }
  if (parts.host.starts_with('[')) {
    return parts.host.ends_with(']') && is_ipv6(parts.host.substr(1, parts.host.size() - 2));
  }
  return is_name(parts.host);
}

bool same_authority(std::string_view a, std::string_view b, std::string_view default_port) {
  const HostPort left = split_port(a);
  const HostPort right = split_port(b);
  return same_name(left.host, right.host) &&
         (left.has_port ? left.port : default_port) == (right.has_port ? right.port : default_port);
}

std::optional<std::uint64_t> parse_length(std::string_view digits) {
  constexpr std::size_t kDigitsMax = 19;  // 10^19 - 1 < 2^64
  std::uint64_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value);
  if (digits.empty() || digits.size() > kDigitsMax || error != std::errc() || stop != end) {
    return std::nullopt;
  }
  return value;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) {
    text.remove_prefix(1);
  }
  while (!text.empty() && is_space(text.back())) {
    text.remove_suffix(1);
  }
  return text;
}

bool ListReader::next(std::string_view& element) {
  while (!rest_.empty()) {
    const std::size_t comma = std::min(rest_.find(','), rest_.size());
    element = trim(rest_.substr(0, comma));
    rest_.remove_prefix(std::min(comma + 1, rest_.size()));
    if (!element.empty()) {
      return true;
    }
  }
  return false;
}

}  // namespace usher::http
