#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/base/byte_queue.h"
#include "proxy/base/socket_address.h"

namespace usher::relay {

// What a PROXY header tells a backend about a TLS client (v1: addresses only).
struct ProxyFacts {
  SocketAddress client;
  SocketAddress local;       // the address the client connected to
  std::string_view version;  // "TLSv1.3"
  std::string_view cipher;
  std::string_view alpn;  // "" none
  std::string_view sni;   // "" none: PP2_TYPE_AUTHORITY
  bool resumed = false;
  bool client_cert = false;  // a certificate of the session, shown now or when it began
  bool client_cert_verified = false;
  std::string_view client_cn;             // "" none
  std::array<std::byte, 16> unique_id{};  // random: PP2_TYPE_UNIQUE_ID
};

// Our own TLV, in the range that proxy-protocol.txt §2.2 leaves to applications (0xE0-0xEF):
// one byte, 1 when the TLS session was resumed, 0 when the handshake was full.
inline constexpr std::uint8_t kTlvResumed = 0xE4;

// Addresses of different families are both written as IPv6 (mapped); an unknown one makes v1 say
// UNKNOWN and v2 UNSPEC. v2 ends in a CRC-32C. At most 107 bytes and 2 KiB.
void append_proxy_v1(ByteQueue& out, const SocketAddress& client, const SocketAddress& local);
void append_proxy_v2(ByteQueue& out, const ProxyFacts& facts);

}  // namespace usher::relay
