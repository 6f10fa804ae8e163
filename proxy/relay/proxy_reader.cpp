#include "proxy/relay/proxy_reader.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <string>

#include "proxy/relay/proxy_protocol.h"

namespace usher::relay {
namespace {

using namespace proxy_protocol;
using Status = ProxyHeaderResult::Status;

constexpr std::string_view kV1Prefix = "PROXY ";

ProxyHeaderResult malformed() {
  return {Status::kMalformed, 0, {}, {}};
}
ProxyHeaderResult incomplete() {
  return {};
}
ProxyHeaderResult complete(std::size_t size) {
  return {Status::kComplete, size, {}, {}};
}

// Whether one is the beginning of the other: more bytes may still make `received` start with
// `wanted`.
bool agree(std::string_view received, std::string_view wanted) {
  const std::size_t common = std::min(received.size(), wanted.size());
  return received.substr(0, common) == wanted.substr(0, common);
}

SocketAddress address_of(int family, const void* ip, std::uint16_t port) {
  if (family == AF_INET) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&v4.sin_addr, ip, sizeof v4.sin_addr);
    return SocketAddress::from(reinterpret_cast<const sockaddr&>(v4));
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  std::memcpy(&v6.sin6_addr, ip, sizeof v6.sin6_addr);
  return SocketAddress::from(reinterpret_cast<const sockaddr&>(v6));
}

// ---- version 1 ----

// Decimal 0..65535 "without heading zeroes" (§2.1).
std::optional<std::uint16_t> parse_v1_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool whole = error == std::errc{} && end == text.data() + text.size();
  if (!whole || (text.size() > 1 && text.front() == '0')) {
    return std::nullopt;
  }
  return port;
}

std::optional<SocketAddress> parse_v1_address(int family, std::string_view ip,
                                              std::string_view port) {
  const auto number = parse_v1_port(port);
  // A NUL would end the text early for inet_pton.
  if (!number || ip.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  std::array<std::byte, 16> bytes{};
  // glibc's inet_pton holds to the grammar: four numbers without heading zeroes, one "::" at most.
  if (::inet_pton(family, std::string(ip).c_str(), bytes.data()) != 1) {
    return std::nullopt;
  }
  return address_of(family, bytes.data(), *number);
}

// `fields` = source SP destination SP source port SP destination port.
ProxyHeaderResult read_v1_addresses(int family, std::string_view fields, std::size_t size) {
  std::array<std::string_view, 4> field;
  for (std::size_t i = 0; i < field.size(); ++i) {
    const std::size_t space = fields.find(' ');
    if ((space == std::string_view::npos) != (i + 1 == field.size())) {
      return malformed();
    }
    field[i] = fields.substr(0, space);
    fields.remove_prefix(std::min(fields.size(), field[i].size() + 1));
  }
  const auto source = parse_v1_address(family, field[0], field[2]);
  const auto destination = parse_v1_address(family, field[1], field[3]);
  if (!source || !destination) {
    return malformed();
  }
  return {Status::kComplete, size, source, destination};
}

// Whether the bytes after "PROXY " can begin one of the three forms.
bool v1_form_possible(std::string_view rest) {
  return agree(rest, "TCP4 ") || agree(rest, "TCP6 ") || agree(rest, "UNKNOWN ") ||
         agree(rest, "UNKNOWN\r\n");
}

ProxyHeaderResult read_v1(std::string_view text) {
  if (text.size() > kV1Prefix.size() && !v1_form_possible(text.substr(kV1Prefix.size()))) {
    return malformed();
  }
  const std::size_t end = text.substr(0, kV1Max).find("\r\n");
  if (end == std::string_view::npos) {
    return text.size() >= kV1Max ? malformed() : incomplete();
  }
  const std::size_t size = end + 2;
  std::string_view line = text.substr(0, end);
  line.remove_prefix(std::min(line.size(), kV1Prefix.size()));
  if (line.starts_with("TCP4 ")) {
    return read_v1_addresses(AF_INET, line.substr(5), size);
  }
  if (line.starts_with("TCP6 ")) {
    return read_v1_addresses(AF_INET6, line.substr(5), size);
  }
  // "UNKNOWN": whatever stands before CRLF is ignored (§2.1).
  return line.starts_with("UNKNOWN") ? complete(size) : malformed();
}

// ---- version 2 ----

std::uint8_t byte_at(ByteView bytes, std::size_t at) {
  return static_cast<std::uint8_t>(bytes[at]);
}

std::uint16_t read_u16(ByteView bytes, std::size_t at) {
  return static_cast<std::uint16_t>(byte_at(bytes, at) << 8 | byte_at(bytes, at + 1));
}

std::uint32_t read_u32(ByteView bytes, std::size_t at) {
  return std::uint32_t{read_u16(bytes, at)} << 16 | read_u16(bytes, at + 2);
}

// Bytes of the address block; none for combinations of family and protocol that do not exist
// (§2.2).
std::optional<std::size_t> address_block_size(std::uint8_t family) {
  switch (family) {
    case kUnspecified:
      return 0;
    case kTcp4:
    case 0x12:  // UDP over IPv4
      return kTcp4Size;
    case kTcp6:
    case 0x22:  // UDP over IPv6
      return kTcp6Size;
    case 0x31:  // Unix stream
    case 0x32:  // Unix datagram
      return 216;
    default:
      return std::nullopt;
  }
}

// The TLVs from `at` must fill the header exactly; a checksum among them must be the only one and
// right.
bool tlvs_sound(ByteView header, std::size_t at) {
  bool checksum_seen = false;
  while (at < header.size()) {
    if (header.size() - at < kTlvHeadSize) {
      return false;
    }
    const std::uint8_t type = byte_at(header, at);
    const std::size_t length = read_u16(header, at + 1);
    at += kTlvHeadSize;
    if (header.size() - at < length) {
      return false;
    }
    if (type == kTlvCrc32c) {
      if (checksum_seen || length != 4 || read_u32(header, at) != checksum(header, at)) {
        return false;
      }
      checksum_seen = true;
    }
    at += length;
  }
  return true;
}

ProxyHeaderResult read_v2_proxied(ByteView header, std::size_t addresses_size) {
  const std::uint8_t family = byte_at(header, 13);
  // Without a family nothing says where TLVs would begin: the block is skipped whole.
  if (family != kUnspecified && !tlvs_sound(header, kV2FixedSize + addresses_size)) {
    return malformed();
  }
  ProxyHeaderResult result = complete(header.size());
  const ByteView block = header.subspan(kV2FixedSize, addresses_size);
  if (family == kTcp4) {
    result.source = address_of(AF_INET, &block[0], read_u16(block, 8));
    result.destination = address_of(AF_INET, &block[4], read_u16(block, 10));
  } else if (family == kTcp6) {
    result.source = address_of(AF_INET6, &block[0], read_u16(block, 32));
    result.destination = address_of(AF_INET6, &block[16], read_u16(block, 34));
  }
  return result;
}

ProxyHeaderResult read_v2(ByteView received) {
  if (received.size() <= kV2Signature.size()) {
    return incomplete();
  }
  const std::uint8_t version = byte_at(received, 12);
  if (version != kVersionLocal && version != kVersionProxy) {
    return malformed();
  }
  if (received.size() < kV2FixedSize) {
    return incomplete();
  }
  const std::size_t size = kV2FixedSize + read_u16(received, 14);
  // LOCAL: family and block are to be discarded unseen (§2.2).
  const auto addresses_size =
      version == kVersionLocal ? 0 : address_block_size(byte_at(received, 13));
  if (size > kProxyHeaderMax || !addresses_size || size < kV2FixedSize + *addresses_size) {
    return malformed();
  }
  if (received.size() < size) {
    return incomplete();
  }
  return version == kVersionLocal ? complete(size)
                                  : read_v2_proxied(received.first(size), *addresses_size);
}

}  // namespace

ProxyHeaderResult read_proxy_header(ByteView received) {
  const std::string_view text = text_of(received);
  if (agree(text, kV2Signature)) {
    return read_v2(received);
  }
  if (agree(text, kV1Prefix)) {
    return read_v1(text);
  }
  return malformed();
}

}  // namespace usher::relay
