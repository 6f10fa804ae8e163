#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace usher {

// An IPv4 or IPv6 address with a port, as a value of 28 bytes.
class SocketAddress {
 public:
  SocketAddress() : ipv6_{} { generic_.sa_family = AF_UNSPEC; }
  // "127.0.0.1:80" or "[::1]:80"; never asks a resolver. None for names and anything malformed.
  static std::optional<SocketAddress> parse(std::string_view text);
  // From accept4, getsockname, getaddrinfo; AF_UNSPEC for other families (a Unix socket's peer).
  static SocketAddress from(const sockaddr& address);

  const sockaddr* raw() const { return &generic_; }
  socklen_t raw_size() const;
  int family() const { return generic_.sa_family; }
  std::uint16_t port() const;
  void set_port(std::uint16_t port);
  // The address without the port in network byte order: 4 or 16 bytes, empty for AF_UNSPEC.
  std::string_view ip_bytes() const;
  std::string ip_text() const;    // "127.0.0.1", "::1", "unknown" for AF_UNSPEC
  std::string to_string() const;  // the form that parse() takes; "unknown" for AF_UNSPEC
  bool operator==(const SocketAddress& other) const;  // also the scope of a link-local address

 private:
  union {
    sockaddr generic_;
    sockaddr_in ipv4_;
    sockaddr_in6 ipv6_;
  };
};

// "10.0.0.0/8", "2001:db8::/32" or a single address. Host bits beyond the prefix are refused.
class Cidr {
 public:
  static std::optional<Cidr> parse(std::string_view text);
  // IPv4-mapped IPv6 addresses match IPv4 networks.
  bool contains(const SocketAddress& address) const;
  std::string to_string() const;
  bool operator==(const Cidr&) const = default;

 private:
  std::vector<std::uint8_t> network_;  // 4 or 16 bytes
  unsigned prefix_bits_ = 0;
};

// "host:port" split for names: "app.internal:8080" → {"app.internal", 8080}; at most 253 visible
// ASCII characters; an IPv6 address needs brackets, anything else must have none.
struct HostPort {
  std::string host;
  std::uint16_t port = 0;
};
std::optional<HostPort> parse_host_port(std::string_view text);

}  // namespace usher
