#pragma once

#include <array>
#include <boost/crc.hpp>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "proxy/base/bytes.h"

// The numbers of HAProxy's proxy-protocol.txt that reader and writer share (§2.2).
namespace usher::relay::proxy_protocol {

inline constexpr std::size_t kV1Max = 107;  // with CRLF (§2.1)

inline constexpr std::string_view kV2Signature{"\r\n\r\n\0\r\nQUIT\n", 12};
inline constexpr std::size_t kV2FixedSize =
    16;  // signature, version|command, family|protocol, length

inline constexpr std::uint8_t kVersionLocal = 0x20;
inline constexpr std::uint8_t kVersionProxy = 0x21;

inline constexpr std::uint8_t kUnspecified = 0x00;
inline constexpr std::uint8_t kTcp4 = 0x11;
inline constexpr std::uint8_t kTcp6 = 0x21;
inline constexpr std::size_t kTcp4Size = 12;
inline constexpr std::size_t kTcp6Size = 36;

inline constexpr std::size_t kTlvHeadSize = 3;  // type, length
inline constexpr std::uint8_t kTlvAlpn = 0x01;
inline constexpr std::uint8_t kTlvAuthority = 0x02;
inline constexpr std::uint8_t kTlvCrc32c = 0x03;
inline constexpr std::uint8_t kTlvUniqueId = 0x05;
inline constexpr std::uint8_t kTlvSsl = 0x20;
inline constexpr std::uint8_t kTlvSslVersion = 0x21;
inline constexpr std::uint8_t kTlvSslCn = 0x22;
inline constexpr std::uint8_t kTlvSslCipher = 0x23;

inline constexpr std::uint8_t kClientSsl = 0x01;
inline constexpr std::uint8_t kClientCertConn = 0x02;
inline constexpr std::uint8_t kClientCertSess = 0x04;

// CRC-32C (RFC 4960 appendix B) of a header whose checksum, 4 bytes at `checksum_at`, counts as
// zero.
inline std::uint32_t checksum(ByteView header, std::size_t checksum_at) {
  static constexpr std::array<std::byte, 4> kZero{};
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
  crc.process_bytes(header.data(), checksum_at);
  crc.process_bytes(kZero.data(), kZero.size());
  const ByteView rest = header.subspan(checksum_at + kZero.size());
  crc.process_bytes(rest.data(), rest.size());
  return crc.checksum();
}

}  // namespace usher::relay::proxy_protocol
