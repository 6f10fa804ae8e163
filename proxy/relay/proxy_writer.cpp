#include "proxy/relay/proxy_writer.h"

#include "proxy/base/check.h"
#include "proxy/relay/proxy_protocol.h"

namespace usher::relay {
namespace {

using namespace proxy_protocol;

// ub-common-name is 64 characters (RFC 5280 appendix A), 4 bytes each in UTF-8. A longer one is
// left out: a backend that decides by the name must not see a part of it.
constexpr std::size_t kCommonNameMax = 256;
constexpr std::size_t kTextMax = 255;  // SNI and ALPN cannot be longer (RFC 6066 §3, RFC 7301 §3.1)

constexpr std::string_view kMappedPrefix{"\0\0\0\0\0\0\0\0\0\0\xff\xff", 12};

void append_u8(std::string& out, std::uint8_t value) {
  out += static_cast<char>(value);
}

void append_u16(std::string& out, std::size_t value) {
  append_u8(out, static_cast<std::uint8_t>(value >> 8));
  append_u8(out, static_cast<std::uint8_t>(value));
}

void append_u32(std::string& out, std::uint32_t value) {
  append_u16(out, value >> 16);
  append_u16(out, value & 0xffff);
}

void append_tlv(std::string& out, std::uint8_t type, std::string_view value) {
  append_u8(out, type);
  append_u16(out, value.size());
  out += value;
}

// Absent or impossible values get no TLV.
void append_text_tlv(std::string& out, std::uint8_t type, std::string_view value,
                     std::size_t most = kTextMax) {
  if (!value.empty() && value.size() <= most) {
    append_tlv(out, type, value);
  }
}

// Addresses of one family. A mix (client named by a PROXY header, our own address by the socket) is
// written as IPv6 with the IPv4 one mapped (RFC 4291 §2.5.5.2): nothing is lost and nothing
// invented.
struct AddressPair {
  int family;  // AF_UNSPEC when one is unknown
  SocketAddress client;
  SocketAddress local;
};

SocketAddress mapped(const SocketAddress& address) {
  if (address.family() != AF_INET) {
    return address;
  }
  const std::string ip = std::string(kMappedPrefix) + std::string(address.ip_bytes());
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  ip.copy(reinterpret_cast<char*>(&v6.sin6_addr), ip.size());
  SocketAddress result = SocketAddress::from(reinterpret_cast<const sockaddr&>(v6));
  result.set_port(address.port());
  return result;
}

AddressPair pair_of(const SocketAddress& client, const SocketAddress& local) {
  if (client.family() == AF_UNSPEC || local.family() == AF_UNSPEC) {
    return {AF_UNSPEC, client, local};
  }
  if (client.family() == local.family()) {
    return {client.family(), client, local};
  }
  return {AF_INET6, mapped(client), mapped(local)};
}

void append_addresses(std::string& out, const AddressPair& pair) {
  if (pair.family == AF_UNSPEC) {
    return;
  }
  out += pair.client.ip_bytes();
  out += pair.local.ip_bytes();
  append_u16(out, pair.client.port());
  append_u16(out, pair.local.port());
}

// PP2_TYPE_SSL (§2.2.6). CERT_SESS: a certificate was shown in this session; CERT_CONN: in this
// very connection, so never on a resumed one. `verify` is 0 only for a certificate that was
// verified.
std::string ssl_value(const ProxyFacts& facts) {
  std::uint8_t client = kClientSsl;
  if (facts.client_cert) {
    client |= kClientCertSess;
    if (!facts.resumed) {
      client |= kClientCertConn;
    }
  }
  std::string value;
  append_u8(value, client);
  append_u32(value, facts.client_cert && facts.client_cert_verified ? 0 : 1);
  append_text_tlv(value, kTlvSslVersion, facts.version);
  append_text_tlv(value, kTlvSslCipher, facts.cipher);
  if (facts.client_cert) {
    append_text_tlv(value, kTlvSslCn, facts.client_cn, kCommonNameMax);
  }
  return value;
}

std::uint8_t family_byte(int family) {
  if (family == AF_UNSPEC) {
    return kUnspecified;
  }
  return family == AF_INET ? kTcp4 : kTcp6;
}

}  // namespace

void append_proxy_v1(ByteQueue& out, const SocketAddress& client, const SocketAddress& local) {
  const AddressPair pair = pair_of(client, local);
  if (pair.family == AF_UNSPEC) {
    out.append(bytes_of("PROXY UNKNOWN\r\n"));
    return;
  }
  const std::string line = std::string(pair.family == AF_INET ? "PROXY TCP4 " : "PROXY TCP6 ") +
                           pair.client.ip_text() + ' ' + pair.local.ip_text() + ' ' +
                           std::to_string(pair.client.port()) + ' ' +
                           std::to_string(pair.local.port()) + "\r\n";
  CHECK(line.size() <= kV1Max);
  out.append(bytes_of(line));
}

void append_proxy_v2(ByteQueue& out, const ProxyFacts& facts) {
  const AddressPair pair = pair_of(facts.client, facts.local);
  std::string block;
  append_addresses(block, pair);
  append_text_tlv(block, kTlvAlpn, facts.alpn);
  append_text_tlv(block, kTlvAuthority, facts.sni);
  append_tlv(block, kTlvUniqueId, text_of(facts.unique_id));
  if (!facts.version.empty()) {  // else no TLS: a redirect listener
    append_tlv(block, kTlvSsl, ssl_value(facts));
  }
  append_tlv(block, kTlvResumed,
             facts.resumed ? std::string_view("\1", 1) : std::string_view("\0", 1));
  append_tlv(block, kTlvCrc32c, std::string_view("\0\0\0\0", 4));

  std::string header(kV2Signature);
  append_u8(header, kVersionProxy);
  append_u8(header, family_byte(pair.family));
  append_u16(header, block.size());
  header += block;
  const std::size_t checksum_at = header.size() - 4;
  const std::uint32_t crc = checksum(bytes_of(header), checksum_at);
  header.resize(checksum_at);
  append_u32(header, crc);
  out.append(bytes_of(header));
}

}  // namespace usher::relay
