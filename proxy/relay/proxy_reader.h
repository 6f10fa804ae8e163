#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "proxy/base/bytes.h"
#include "proxy/base/socket_address.h"

namespace usher::relay {

// The PROXY protocol header in front of a client's bytes, v1 (≤ 107 bytes) or v2 (≤ 4 KiB with
// TLVs), from HAProxy's proxy-protocol.txt. Pure: looks at all bytes received so far.
struct ProxyHeaderResult {
  enum class Status : std::uint8_t { kIncomplete, kComplete, kMalformed };
  Status status = Status::kIncomplete;
  std::size_t size = 0;  // bytes of the header, when complete
  // The client's and the destination's address; none for LOCAL, UNKNOWN and families other than
  // IPv4/IPv6 over TCP: then the socket's own addresses stand.
  std::optional<SocketAddress> source;
  std::optional<SocketAddress> destination;
};

inline constexpr std::size_t kProxyHeaderMax = 16 + 4096;

ProxyHeaderResult read_proxy_header(ByteView received);

}  // namespace usher::relay
