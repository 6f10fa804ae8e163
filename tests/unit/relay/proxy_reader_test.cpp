#include "proxy/relay/proxy_reader.h"

#include <gtest/gtest.h>

#include <string>

#include "proxy/relay/proxy_protocol.h"

namespace usher::relay {
namespace {

using namespace std::string_literals;
using Status = ProxyHeaderResult::Status;

ProxyHeaderResult read(const std::string& bytes) {
  return read_proxy_header(bytes_of(bytes));
}

const std::string kSignature = "\r\n\r\n\0\r\nQUIT\n"s;

std::string v2(unsigned char version, unsigned char family, const std::string& block) {
  std::string header = kSignature;
  header += static_cast<char>(version);
  header += static_cast<char>(family);
  header += static_cast<char>(block.size() >> 8);
  header += static_cast<char>(block.size());
  return header + block;
}

std::string tlv(unsigned char type, const std::string& value) {
  std::string bytes;
  bytes += static_cast<char>(type);
  bytes += static_cast<char>(value.size() >> 8);
  bytes += static_cast<char>(value.size());
  return bytes + value;
}

// 192.0.2.1:1000 → 198.51.100.2:443
const std::string kIpv4Block = "\xc0\x00\x02\x01\xc6\x33\x64\x02\x03\xe8\x01\xbb"s;
const std::string kIpv6Block =
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x03\xe8\x01\xbb"s;

void expect_addresses(const ProxyHeaderResult& result, const char* source,
                      const char* destination) {
  ASSERT_EQ(result.status, Status::kComplete);
  ASSERT_TRUE(result.source && result.destination);
  EXPECT_EQ(result.source->to_string(), source);
  EXPECT_EQ(result.destination->to_string(), destination);
}

void expect_no_addresses(const std::string& header) {
  const ProxyHeaderResult result = read(header + "GET /");
  EXPECT_EQ(result.status, Status::kComplete);
  EXPECT_EQ(result.size, header.size());
  EXPECT_FALSE(result.source || result.destination);
}

TEST(ProxyReaderV1, Tcp4) {
  const std::string header = "PROXY TCP4 192.0.2.1 198.51.100.2 0 65535\r\n";
  const ProxyHeaderResult result = read(header + "\x16\x03\x01");
  EXPECT_EQ(result.size, header.size());
  expect_addresses(result, "192.0.2.1:0", "198.51.100.2:65535");
}

TEST(ProxyReaderV1, Tcp6) {
  expect_addresses(read("PROXY TCP6 2001:DB8::1 ::ffff:192.0.2.1 1000 443\r\n"),
                   "[2001:db8::1]:1000", "[::ffff:192.0.2.1]:443");
}

TEST(ProxyReaderV1, LongestLine) {
  const std::string ip = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  const std::string unknown = "PROXY UNKNOWN " + ip + " " + ip + " 65535 65535\r\n";
  ASSERT_EQ(unknown.size(), 107u);
  expect_no_addresses(unknown);
  EXPECT_EQ(read("PROXY TCP6 " + ip + " " + ip + " 65535 65535\r\n").status, Status::kComplete);
}

TEST(ProxyReaderV1, UnknownIgnoresWhatFollows) {
  expect_no_addresses("PROXY UNKNOWN\r\n");
  expect_no_addresses("PROXY UNKNOWN \r\n");
  expect_no_addresses("PROXY UNKNOWN \xff\r\0 whatever\n\r\n"s);
}

TEST(ProxyReaderV1, MalformedLines) {
  for (const std::string& line : {
           "PROXY TCP4 192.0.2.1 198.51.100.2 1000 443 \r\n"s,
           "PROXY TCP4 192.0.2.1 198.51.100.2 1000 443 1\r\n"s,
           "PROXY TCP4 192.0.2.1 198.51.100.2 1000\r\n"s,
           "PROXY TCP4 192.0.2.1 198.51.100.2  443\r\n"s,
           "PROXY TCP4  192.0.2.1 198.51.100.2 1000 443\r\n"s,
           "PROXY TCP4 192.0.2.1 198.51.100.2 1000 65536\r\n"s,
           "PROXY TCP4 192.0.2.1 198.51.100.2 1000 99999999999999999999\r\n"s,
           "PROXY TCP4 192.0.2.1 198.51.100.2 1000 0443\r\n"s,
           "PROXY TCP4 192.0.2.1 198.51.100.2 1000 00\r\n"s,
           "PROXY TCP4 192.0.2.1 198.51.100.2 1000 -1\r\n"s,
           "PROXY TCP4 192.0.2.1 198.51.100.2 +1000 443\r\n"s,
           "PROXY TCP4 192.0.2.1 198.51.100.2 1000 443\t\r\n"s,
           "PROXY TCP4 192.0.2.01 198.51.100.2 1000 443\r\n"s,
           "PROXY TCP4 192.0.2 198.51.100.2 1000 443\r\n"s,
           "PROXY TCP4 192.0.2.256 198.51.100.2 1000 443\r\n"s,
           "PROXY TCP4 192.0.2.1\0 198.51.100.2 1000 443\r\n"s,
           "PROXY TCP4 2001:db8::1 2001:db8::2 1000 443\r\n"s,
           "PROXY TCP4 192.0.2.1 2001:db8::2 1000 443\r\n"s,
           "PROXY TCP6 192.0.2.1 198.51.100.2 1000 443\r\n"s,
           "PROXY TCP6 2001:db8::1%lo 2001:db8::2 1000 443\r\n"s,
           "PROXY TCP6 [2001:db8::1] 2001:db8::2 1000 443\r\n"s,
           "PROXY TCP6 2001::db8::1 2001:db8::2 1000 443\r\n"s,
           "PROXY TCP4 host.example 198.51.100.2 1000 443\r\n"s,
           "PROXY TCP4 192.0.2.1 198.51.100.2 1000 443\n\r\n"s,
           "PROXY TCP4 \r\n"s,
       }) {
    EXPECT_EQ(read(line).status, Status::kMalformed) << line;
  }
}

TEST(ProxyReaderV1, NothingLongerThan107Bytes) {
  const std::string line = "PROXY UNKNOWN " + std::string(200, 'x') + "\r\n";
  EXPECT_EQ(read(line.substr(0, 106)).status, Status::kIncomplete);
  EXPECT_EQ(read(line.substr(0, 107)).status, Status::kMalformed);
  EXPECT_EQ(read(line).status, Status::kMalformed);
}

TEST(ProxyReader, EveryPrefixWaits) {
  for (const std::string& header :
       {"PROXY TCP4 192.0.2.1 198.51.100.2 1000 443\r\n"s, "PROXY UNKNOWN\r\n"s,
        v2(0x21, 0x11, kIpv4Block + tlv(0x01, "h2")), v2(0x20, 0, ""),
        v2(0x21, 0x21, kIpv6Block)}) {
    for (std::size_t size = 0; size < header.size(); ++size) {
      EXPECT_EQ(read(header.substr(0, size)).status, Status::kIncomplete) << size;
    }
    EXPECT_EQ(read(header).status, Status::kComplete);
  }
}

TEST(ProxyReader, FirstWrongByteIsMalformed) {
  for (const std::string& start :
       {"PROXY TCP4 "s, "PROXY TCP6 "s, "PROXY UNKNOWN"s, kSignature + "\x21"s}) {
    for (std::size_t at = 0; at < start.size(); ++at) {
      std::string wrong = start.substr(0, at + 1);
      wrong[at] = static_cast<char>(wrong[at] ^ 0x40);
      EXPECT_EQ(read(wrong).status, Status::kMalformed) << at;
    }
  }
  EXPECT_EQ(read("PROXY UNKNOWN\n").status, Status::kMalformed);
  EXPECT_EQ(read("PROXY UNKNOWN\rX").status, Status::kMalformed);
  EXPECT_EQ(read("PROXY UDP4").status, Status::kMalformed);
  EXPECT_EQ(read("\x16\x03\x01").status,
            Status::kMalformed);  // a ClientHello is not taken as plain
}

TEST(ProxyReaderV2, Tcp4AndTcp6) {
  const std::string header = v2(0x21, 0x11, kIpv4Block);
  const ProxyHeaderResult result = read(header + "rest");
  EXPECT_EQ(result.size, header.size());
  expect_addresses(result, "192.0.2.1:1000", "198.51.100.2:443");
  expect_addresses(read(v2(0x21, 0x21, kIpv6Block)), "[2001:db8::1]:1000", "[2001:db8::2]:443");
}

TEST(ProxyReaderV2, LocalDiscardsEverything) {
  expect_no_addresses(v2(0x20, 0x00, ""));
  expect_no_addresses(v2(0x20, 0x11, kIpv4Block));
  expect_no_addresses(v2(0x20, 0xff, "any bytes at all"));
}

TEST(ProxyReaderV2, OtherFamiliesFallBackToTheSocket) {
  expect_no_addresses(v2(0x21, 0x00, ""));
  expect_no_addresses(v2(0x21, 0x00, "skipped"));
  expect_no_addresses(v2(0x21, 0x12, kIpv4Block));
  expect_no_addresses(v2(0x21, 0x22, kIpv6Block));
  expect_no_addresses(v2(0x21, 0x31, std::string(216, 'a')));
  expect_no_addresses(v2(0x21, 0x32, std::string(216, 'a') + tlv(0x04, "")));
}

TEST(ProxyReaderV2, UndefinedVersionsCommandsAndFamiliesAreMalformed) {
  for (int version : {0x00, 0x01, 0x10, 0x11, 0x22, 0x2f, 0x30, 0x31, 0xff}) {
    EXPECT_EQ(read(v2(static_cast<unsigned char>(version), 0x11, kIpv4Block)).status,
              Status::kMalformed)
        << version;
  }
  for (int family : {0x01, 0x02, 0x10, 0x13, 0x20, 0x23, 0x30, 0x33, 0x41, 0xff}) {
    EXPECT_EQ(read(v2(0x21, static_cast<unsigned char>(family), std::string(300, '\0'))).status,
              Status::kMalformed)
        << family;
  }
}

TEST(ProxyReaderV2, AddressBlockMustBeWhole) {
  EXPECT_EQ(read(v2(0x21, 0x11, kIpv4Block.substr(1))).status, Status::kMalformed);
  EXPECT_EQ(read(v2(0x21, 0x21, kIpv6Block.substr(1))).status, Status::kMalformed);
  EXPECT_EQ(read(v2(0x21, 0x31, std::string(215, 'a'))).status, Status::kMalformed);
  // Said by the length alone: no more bytes are waited for.
  EXPECT_EQ(read(kSignature + "\x21\x11\x00\x0b"s).status, Status::kMalformed);
}

TEST(ProxyReaderV2, TlvsMustFillTheHeader) {
  for (const std::string& good :
       {""s, tlv(0x01, "h2"), tlv(0x04, ""), tlv(0x01, "h2") + tlv(0xee, std::string(300, 'x'))}) {
    EXPECT_EQ(read(v2(0x21, 0x11, kIpv4Block + good)).status, Status::kComplete);
  }
  for (const std::string& bad : {"\x01"s, "\x01\x00"s, "\x01\x00\x01"s, "\x01\x00\x03h2"s,
                                 "\x01\xff\xffh2"s, tlv(0x01, "h2") + "\x04"}) {
    EXPECT_EQ(read(v2(0x21, 0x11, kIpv4Block + bad)).status, Status::kMalformed);
  }
}

TEST(ProxyReaderV2, SizeIsBounded) {
  const std::string longest = kIpv4Block + tlv(0x04, std::string(4096 - 12 - 3, 'x'));
  ASSERT_EQ(longest.size(), 4096u);
  EXPECT_EQ(read(v2(0x21, 0x11, longest)).status, Status::kComplete);
  EXPECT_EQ(read(kSignature + "\x21\x11\x10\x01"s).status, Status::kMalformed);
  EXPECT_EQ(read(kSignature + "\x20\x00\xff\xff"s).status, Status::kMalformed);
}

TEST(ProxyReaderV2, ChecksumIsVerified) {
  // The checksum was made by an independent bitwise CRC-32C.
  std::string header = v2(0x21, 0x11, kIpv4Block + tlv(0x03, "\x93\xf0\x0e\xb1"s));
  EXPECT_EQ(read(header).status, Status::kComplete);
  for (std::size_t at = 16; at < header.size(); ++at) {
    std::string corrupted = header;
    corrupted[at] = static_cast<char>(corrupted[at] ^ 1);
    // A flipped type byte makes it another TLV, which carries no promise.
    EXPECT_EQ(read(corrupted).status, at == 28 ? Status::kComplete : Status::kMalformed) << at;
  }
  EXPECT_EQ(read(v2(0x21, 0x11, kIpv4Block + tlv(0x03, "abc"))).status, Status::kMalformed);
  EXPECT_EQ(read(v2(0x21, 0x11, kIpv4Block + tlv(0x03, "abcde"))).status, Status::kMalformed);
  EXPECT_EQ(read(v2(0x21, 0x11, kIpv4Block + tlv(0x03, ""))).status, Status::kMalformed);
}

TEST(ProxyReaderV2, ChecksumIsTheCastagnoliOne) {
  // RFC 3720 B.4: 32 bytes of zeroes give 0xAA36918A in wire order of a reflected CRC.
  const std::string zeroes(32, '\0');
  EXPECT_EQ(proxy_protocol::checksum(bytes_of(zeroes), 10), 0x8A9136AAu);
}

}  // namespace
}  // namespace usher::relay
