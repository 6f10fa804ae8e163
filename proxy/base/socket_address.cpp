#include "proxy/base/socket_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace usher {
namespace {

constexpr std::size_t kNameMax = 253;  // a DNS name as text (RFC 1035 §2.3.4: 255 on the wire)

std::optional<std::uint16_t> parse_port(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || text.size() > 5 || error != std::errc{} || end != text.data() + text.size() ||
      port > 65535) {
    return std::nullopt;
  }
  return static_cast<std::uint16_t>(port);
}

// What resolvers and inet_pton could read; above all no NUL, at which they would stop.
bool is_visible_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

// 4 or 16 bytes in network order; empty when the text is no address.
std::vector<std::uint8_t> parse_ip(std::string_view text) {
  if (!is_visible_ascii(text)) {
    return {};
  }
  const std::string terminated(text);
  std::vector<std::uint8_t> bytes(16);
  if (::inet_pton(AF_INET, terminated.c_str(), bytes.data()) == 1) {
    bytes.resize(4);
    return bytes;
  }
  if (::inet_pton(AF_INET6, terminated.c_str(), bytes.data()) == 1) {
    return bytes;
  }
  return {};
}

constexpr std::array<std::uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

std::optional<HostPort> parse_host_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) {
    return std::nullopt;
  }
  std::string_view host = text.substr(0, colon);
  const auto port = parse_port(text.substr(colon + 1));
  if (host.front() == '[') {
    if (host.back() != ']' || host.find(':') == std::string_view::npos) {
      return std::nullopt;
    }
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return std::nullopt;  // an IPv6 address without brackets is ambiguous
  }
  if (!port || host.size() > kNameMax || !is_visible_ascii(host)) {
    return std::nullopt;
  }
  return HostPort{std::string(host), *port};
}

std::optional<SocketAddress> SocketAddress::parse(std::string_view text) {
  const auto parts = parse_host_port(text);
  if (!parts) {
    return std::nullopt;
  }
  const bool bracketed = text.front() == '[';
  SocketAddress address;
  if (bracketed && ::inet_pton(AF_INET6, parts->host.c_str(), &address.ipv6_.sin6_addr) == 1) {
    address.ipv6_.sin6_family = AF_INET6;
  } else if (!bracketed &&
             ::inet_pton(AF_INET, parts->host.c_str(), &address.ipv4_.sin_addr) == 1) {
    address.ipv4_.sin_family = AF_INET;
  } else {
    return std::nullopt;
  }
  address.set_port(parts->port);
  return address;
}

SocketAddress SocketAddress::from(const sockaddr& address) {
  SocketAddress result;
  if (address.sa_family == AF_INET) {
    std::memcpy(&result.ipv4_, &address, sizeof(sockaddr_in));
  } else if (address.sa_family == AF_INET6) {
    std::memcpy(&result.ipv6_, &address, sizeof(sockaddr_in6));
  }
  return result;
}

socklen_t SocketAddress::raw_size() const {
  return family() == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
}

// The port has the same place in both families.
std::uint16_t SocketAddress::port() const {
  return ntohs(ipv4_.sin_port);
}
void SocketAddress::set_port(std::uint16_t port) {
  ipv4_.sin_port = htons(port);
}

std::string_view SocketAddress::ip_bytes() const {
  if (family() == AF_INET) {
    return {reinterpret_cast<const char*>(&ipv4_.sin_addr), 4};
  }
  if (family() == AF_INET6) {
    return {reinterpret_cast<const char*>(&ipv6_.sin6_addr), 16};
  }
  return {};
}

std::string SocketAddress::ip_text() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const std::string_view bytes = ip_bytes();
  if (bytes.empty() || ::inet_ntop(family(), bytes.data(), text.data(), text.size()) == nullptr) {
    return "unknown";
  }
  return text.data();
}

std::string SocketAddress::to_string() const {
  if (family() == AF_UNSPEC) {
    return "unknown";
  }
  const std::string port_text = ":" + std::to_string(port());
  return family() == AF_INET6 ? "[" + ip_text() + "]" + port_text : ip_text() + port_text;
}

bool SocketAddress::operator==(const SocketAddress& other) const {
  return family() == other.family() && port() == other.port() && ip_bytes() == other.ip_bytes() &&
         (family() != AF_INET6 || ipv6_.sin6_scope_id == other.ipv6_.sin6_scope_id);
}

std::optional<Cidr> Cidr::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  Cidr cidr;
  cidr.network_ = parse_ip(text.substr(0, slash));
  if (cidr.network_.empty()) {
    return std::nullopt;
  }
  const auto bits = static_cast<unsigned>(cidr.network_.size() * 8);
  cidr.prefix_bits_ = bits;
  if (slash != std::string_view::npos) {
    const auto prefix = parse_port(text.substr(slash + 1));
    if (!prefix || *prefix > bits) {
      return std::nullopt;
    }
    cidr.prefix_bits_ = *prefix;
  }
  for (unsigned bit = cidr.prefix_bits_; bit < bits; ++bit) {
    if ((cidr.network_[bit / 8] & (0x80U >> (bit % 8))) != 0) {
      return std::nullopt;
    }
  }
  return cidr;
}

bool Cidr::contains(const SocketAddress& address) const {
  std::string_view ip = address.ip_bytes();
  if (ip.size() == 16 && network_.size() == 4 &&
      std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), ip.begin(),
                 [](std::uint8_t a, char b) { return a == static_cast<std::uint8_t>(b); })) {
    ip.remove_prefix(12);
  }
  if (ip.size() != network_.size()) {
    return false;
  }
  for (unsigned bit = 0; bit < prefix_bits_; ++bit) {
    const unsigned mask = 0x80U >> (bit % 8);
    if ((static_cast<std::uint8_t>(ip[bit / 8]) & mask) != (network_[bit / 8] & mask)) {
      return false;
    }
  }
  return true;
}

std::string Cidr::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(network_.size() == 4 ? AF_INET : AF_INET6, network_.data(), text.data(), text.size());
  return std::string(text.data()) + "/" + std::to_string(prefix_bits_);
}

}  // namespace usher
