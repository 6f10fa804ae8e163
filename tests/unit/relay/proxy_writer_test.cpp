#include "proxy/relay/proxy_writer.h"

#include <gtest/gtest.h>

#include <string>

#include "proxy/relay/proxy_reader.h"

namespace usher::relay {
namespace {

using Status = ProxyHeaderResult::Status;

SocketAddress address(const char* text) {
  return *SocketAddress::parse(text);
}

std::string v1(const SocketAddress& client, const SocketAddress& local) {
  ByteQueue out;
  append_proxy_v1(out, client, local);
  return std::string(text_of(out.view()));
}

std::string v2(const ProxyFacts& facts) {
  ByteQueue out;
  append_proxy_v2(out, facts);
  return std::string(text_of(out.view()));
}

ProxyFacts some_facts() {
  ProxyFacts facts;
  facts.client = address("192.0.2.1:1000");
  facts.local = address("198.51.100.2:443");
  facts.version = "TLSv1.3";
  facts.cipher = "TLS_AES_128_GCM_SHA256";
  facts.alpn = "h2";
  facts.sni = "www.example";
  facts.client_cert = true;
  facts.client_cert_verified = true;
  facts.client_cn = "Alice";
  for (std::size_t i = 0; i < facts.unique_id.size(); ++i) {
    facts.unique_id[i] = static_cast<std::byte>(i);
  }
  return facts;
}

// The value of the only SSL TLV of a header with IPv4 addresses.
std::string ssl_value(const ProxyFacts& facts) {
  const std::string header = v2(facts);
  std::size_t at = 16 + 12;
  while (at < header.size()) {
    const std::size_t size = static_cast<unsigned char>(header[at + 1]) * 256u +
                             static_cast<unsigned char>(header[at + 2]);
    if (header[at] == 0x20) {
      return header.substr(at + 3, size);
    }
    at += 3 + size;
  }
  return {};
}

TEST(ProxyWriterV1, Lines) {
  EXPECT_EQ(v1(address("192.0.2.1:1000"), address("198.51.100.2:443")),
            "PROXY TCP4 192.0.2.1 198.51.100.2 1000 443\r\n");
  EXPECT_EQ(v1(address("[2001:db8::1]:65535"), address("[::1]:0")),
            "PROXY TCP6 2001:db8::1 ::1 65535 0\r\n");
}

TEST(ProxyWriterV1, MixedFamiliesAreMapped) {
  EXPECT_EQ(v1(address("192.0.2.1:1000"), address("[2001:db8::2]:443")),
            "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1000 443\r\n");
  EXPECT_EQ(v1(address("[2001:db8::2]:1000"), address("192.0.2.1:443")),
            "PROXY TCP6 2001:db8::2 ::ffff:192.0.2.1 1000 443\r\n");
}

TEST(ProxyWriterV1, UnknownAddresses) {
  EXPECT_EQ(v1({}, address("192.0.2.1:443")), "PROXY UNKNOWN\r\n");
  EXPECT_EQ(v1(address("192.0.2.1:443"), {}), "PROXY UNKNOWN\r\n");
}

TEST(ProxyWriterV1, LongestLineFits) {
  const auto longest = address("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
  EXPECT_EQ(v1(longest, longest).size(), 104u);
}

// Both vectors were made apart from this code, from proxy-protocol.txt §2.2 and a bitwise CRC-32C.
TEST(ProxyWriterV2, FullHandshakeByteForByte) {
  EXPECT_EQ(hex(bytes_of(v2(some_facts()))),
            "0d0a0d0a000d0a515549540a21110070c0000201c633640203e801bb"
            "0100026832"
            "02000b7777772e6578616d706c65"
            "050010000102030405060708090a0b0c0d0e0f"
            "2000300700000000"
            "210007544c5376312e33"
            "230016544c535f4145535f3132385f47434d5f534841323536"
            "220005416c696365"
            "e4000100"
            "0300040b7d957d");
}

TEST(ProxyWriterV2, ResumedCarriesCertSessWithoutCertConn) {
  ProxyFacts facts = some_facts();
  facts.resumed = true;
  EXPECT_EQ(hex(bytes_of(v2(facts))),
            "0d0a0d0a000d0a515549540a21110070c0000201c633640203e801bb"
            "0100026832"
            "02000b7777772e6578616d706c65"
            "050010000102030405060708090a0b0c0d0e0f"
            "2000300500000000"
            "210007544c5376312e33"
            "230016544c535f4145535f3132385f47434d5f534841323536"
            "220005416c696365"
            "e4000101"
            "0300042ac2f332");
}

TEST(ProxyWriterV2, VerifyIsZeroOnlyForAVerifiedCertificate) {
  ProxyFacts facts = some_facts();
  facts.client_cert_verified = false;
  EXPECT_EQ(hex(bytes_of(ssl_value(facts).substr(0, 5))), "0700000001");
  facts = some_facts();
  facts.client_cert = false;
  facts.client_cert_verified = false;
  EXPECT_EQ(hex(bytes_of(ssl_value(facts).substr(0, 5))), "0100000001");
}

TEST(ProxyWriterV2, NoNameWithoutACertificate) {
  ProxyFacts facts = some_facts();
  facts.client_cert = false;
  EXPECT_EQ(ssl_value(facts).find("Alice"), std::string::npos);
}

TEST(ProxyWriterV2, AnOverlongNameIsLeftOutNotCut) {
  ProxyFacts facts = some_facts();
  const std::string fits(256, 'a');
  facts.client_cn = fits;
  EXPECT_NE(ssl_value(facts).find(fits), std::string::npos);
  const std::string too_long(257, 'a');
  facts.client_cn = too_long;
  EXPECT_EQ(ssl_value(facts).find("aaa"), std::string::npos);
}

TEST(ProxyWriterV2, ReaderTakesWhatIsWritten) {
  for (const auto& [client, local, seen_client, seen_local] :
       {std::array{"192.0.2.1:1000", "198.51.100.2:443", "192.0.2.1:1000", "198.51.100.2:443"},
        std::array{"[2001:db8::1]:1", "[::1]:2", "[2001:db8::1]:1", "[::1]:2"},
        std::array{"192.0.2.1:1000", "[::1]:2", "[::ffff:192.0.2.1]:1000", "[::1]:2"}}) {
    ProxyFacts facts = some_facts();
    facts.client = address(client);
    facts.local = address(local);
    for (const std::string& header : {v2(facts), v1(facts.client, facts.local)}) {
      const ProxyHeaderResult result = read_proxy_header(bytes_of(header + "GET /"));
      ASSERT_EQ(result.status, Status::kComplete);
      EXPECT_EQ(result.size, header.size());
      EXPECT_EQ(result.source->to_string(), seen_client);
      EXPECT_EQ(result.destination->to_string(), seen_local);
    }
  }
}

TEST(ProxyWriterV2, UnknownAddressesStillCarryTheFacts) {
  ProxyFacts facts = some_facts();
  facts.client = {};
  const std::string header = v2(facts);
  EXPECT_EQ(header[12], 0x21);
  EXPECT_EQ(header[13], 0x00);
  EXPECT_NE(header.find("www.example"), std::string::npos);
  const ProxyHeaderResult result = read_proxy_header(bytes_of(header));
  EXPECT_EQ(result.status, Status::kComplete);
  EXPECT_FALSE(result.source);
}

TEST(ProxyWriterV2, LargestHeaderStaysUnderTwoKibibytes) {
  ProxyFacts facts = some_facts();
  const std::string most(255, 'x');
  facts.alpn = facts.sni = facts.version = facts.cipher = facts.client_cn = most;
  facts.client = facts.local = address("[::1]:1");
  const std::string header = v2(facts);
  EXPECT_LT(header.size(), 2048u);
  EXPECT_EQ(read_proxy_header(bytes_of(header)).status, Status::kComplete);
}

}  // namespace
}  // namespace usher::relay
