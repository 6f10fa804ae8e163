#include "proxy/base/socket_address.h"

#include <gtest/gtest.h>
#include <netdb.h>
#include <sys/un.h>

#include <string>

namespace usher {
namespace {

using std::string_literals::operator""s;

TEST(SocketAddress, WritesWhatItReads) {
  for (const char* text : {"127.0.0.1:80", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:443",
                           "[::]:8443", "[2001:db8::5]:1", "[::ffff:10.0.0.1]:9"}) {
    const auto address = SocketAddress::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->to_string(), text);
  }
}

TEST(SocketAddress, RefusesEverythingElse) {
  for (const std::string& text : {""s,
                                  ":"s,
                                  ":80"s,
                                  "127.0.0.1"s,
                                  "127.0.0.1:"s,
                                  "127.0.0.1:65536"s,
                                  "127.0.0.1:-1"s,
                                  "127.0.0.1:+1"s,
                                  "127.0.0.1:8o"s,
                                  "127.0.0.1: 80"s,
                                  "127.0.0.1:80 "s,
                                  " 127.0.0.1:80"s,
                                  "127.0.0.1:000080"s,
                                  "127.0.0.256:80"s,
                                  "127.1:80"s,
                                  "localhost:80"s,
                                  "::1:80"s,
                                  "[::1]"s,
                                  "[::1]:"s,
                                  "[::1:80"s,
                                  "::1]:80"s,
                                  "[]:80"s,
                                  "[127.0.0.1]:80"s,
                                  "[localhost]:80"s,
                                  "[fe80::1%lo]:80"s,
                                  "127.0.0.1\0x:80"s,
                                  "[::1\0]:80"s,
                                  "127.0.0.1:8\0"s}) {
    EXPECT_FALSE(SocketAddress::parse(text)) << text;
  }
}

TEST(SocketAddress, KnowsItsParts) {
  const auto v4 = *SocketAddress::parse("192.0.2.1:80");
  EXPECT_EQ(v4.family(), AF_INET);
  EXPECT_EQ(v4.port(), 80);
  EXPECT_EQ(v4.ip_bytes(), "\xc0\x00\x02\x01"s);
  EXPECT_EQ(v4.ip_text(), "192.0.2.1");
  EXPECT_EQ(v4.raw_size(), sizeof(sockaddr_in));

  auto v6 = *SocketAddress::parse("[::1]:443");
  EXPECT_EQ(v6.family(), AF_INET6);
  EXPECT_EQ(v6.ip_bytes(), std::string(15, '\0') + '\1');
  EXPECT_EQ(v6.ip_text(), "::1");
  EXPECT_EQ(v6.raw_size(), sizeof(sockaddr_in6));
  v6.set_port(8443);
  EXPECT_EQ(v6.to_string(), "[::1]:8443");
}

TEST(SocketAddress, OfOtherFamiliesIsUnknown) {
  const sockaddr_un local{AF_UNIX, "/x"};
  for (const SocketAddress& address :
       {SocketAddress(), SocketAddress::from(reinterpret_cast<const sockaddr&>(local))}) {
    EXPECT_EQ(address.family(), AF_UNSPEC);
    EXPECT_EQ(address.to_string(), "unknown");
    EXPECT_EQ(address.ip_text(), "unknown");
    EXPECT_TRUE(address.ip_bytes().empty());
    EXPECT_EQ(address.port(), 0);
  }
}

TEST(SocketAddress, EqualsByFamilyAddressPortAndScope) {
  const auto a = *SocketAddress::parse("127.0.0.1:80");
  EXPECT_EQ(a, *SocketAddress::parse("127.0.0.1:80"));
  EXPECT_NE(a, *SocketAddress::parse("127.0.0.1:81"));
  EXPECT_NE(a, *SocketAddress::parse("127.0.0.2:80"));
  EXPECT_NE(*SocketAddress::parse("[::]:0"), *SocketAddress::parse("0.0.0.0:0"));
  EXPECT_EQ(SocketAddress(), SocketAddress());

  const auto link_local = *SocketAddress::parse("[fe80::1]:80");
  sockaddr_in6 scoped = reinterpret_cast<const sockaddr_in6&>(*link_local.raw());
  scoped.sin6_scope_id = 2;
  EXPECT_NE(SocketAddress::from(reinterpret_cast<const sockaddr&>(scoped)), link_local);
}

TEST(SocketAddress, IsSmall) {
  EXPECT_EQ(sizeof(SocketAddress), 28U);
}

TEST(HostPort, SplitsNamesAndAddresses) {
  const struct {
    const char* text;
    const char* host;
    int port;
  } cases[] = {{"app.internal:8080", "app.internal", 8080},
               {"localhost:0", "localhost", 0},
               {"10.0.0.1:65535", "10.0.0.1", 65535},
               {"[2001:db8::1]:80", "2001:db8::1", 80}};
  for (const auto& expected : cases) {
    const auto parts = parse_host_port(expected.text);
    ASSERT_TRUE(parts) << expected.text;
    EXPECT_EQ(parts->host, expected.host);
    EXPECT_EQ(parts->port, expected.port);
  }
}

TEST(HostPort, RefusesWhatIsNotOne) {
  for (const std::string& text :
       {""s, "app"s, "app:"s, ":80"s, "app:http"s, "app:99999"s, "::1:80"s, "[app]:80"s, "[]:80"s,
        "a b:80"s, "a\tb:80"s, "a\0b:80"s, "caf\xc3\xa9:80"s, std::string(254, 'a') + ":80"}) {
    EXPECT_FALSE(parse_host_port(text)) << text;
  }
  EXPECT_TRUE(parse_host_port(std::string(253, 'a') + ":80"));
}

TEST(Cidr, ContainsWhatItNames) {
  const struct {
    const char* network;
    const char* address;
    bool inside;
  } cases[] = {
      {"10.0.0.0/8", "10.255.255.255:1", true},
      {"10.0.0.0/8", "11.0.0.0:1", false},
      {"10.0.0.0/8", "[::ffff:10.1.2.3]:1", true},
      {"10.0.0.0/8", "[::ffff:11.1.2.3]:1", false},
      {"10.0.0.0/8", "[::a00:1]:1", false},
      {"0.0.0.0/0", "203.0.113.9:1", true},
      {"0.0.0.0/0", "[2001:db8::1]:1", false},
      {"192.0.2.128/25", "192.0.2.127:1", false},
      {"192.0.2.128/25", "192.0.2.128:1", true},
      {"192.0.2.7", "192.0.2.7:1", true},
      {"192.0.2.7", "192.0.2.6:1", false},
      {"2001:db8::/33", "[2001:db8:7fff::1]:1", true},
      {"2001:db8::/33", "[2001:db8:8000::1]:1", false},
      {"::/0", "[2001:db8::1]:1", true},
      {"::/0", "203.0.113.9:1", false},
      {"::1", "[::1]:1", true},
  };
  for (const auto& expected : cases) {
    const auto cidr = Cidr::parse(expected.network);
    ASSERT_TRUE(cidr) << expected.network;
    EXPECT_EQ(cidr->contains(*SocketAddress::parse(expected.address)), expected.inside)
        << expected.network << " " << expected.address;
  }
  EXPECT_FALSE(Cidr::parse("0.0.0.0/0")->contains(SocketAddress()));
}

TEST(Cidr, WritesTheWholeForm) {
  EXPECT_EQ(Cidr::parse("10.0.0.0/8")->to_string(), "10.0.0.0/8");
  EXPECT_EQ(Cidr::parse("192.0.2.7")->to_string(), "192.0.2.7/32");
  EXPECT_EQ(Cidr::parse("::1")->to_string(), "::1/128");
  EXPECT_EQ(*Cidr::parse("::1"), *Cidr::parse("::1/128"));
  EXPECT_NE(*Cidr::parse("10.0.0.0/8"), *Cidr::parse("10.0.0.0/9"));
}

TEST(Cidr, RefusesHostBitsAndMalformedText) {
  for (const std::string& text :
       {""s, "/8"s, "10.0.0.1/8"s, "10.0.0.0/33"s, "10.0.0.0/"s, "10.0.0.0/-1"s, "10.0.0.0/8/8"s,
        "10.0.0.0/8 "s, "10.0.0/8"s, "2001:db8::1/32"s, "::/129"s, "[::]/0"s, "all"s,
        "10.0.0.0\0/8"s, "10.0.0.0\0"s}) {
    EXPECT_FALSE(Cidr::parse(text)) << text;
  }
}

}  // namespace
}  // namespace usher
