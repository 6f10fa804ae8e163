#include "proxy/push/endpoint.h"

#include <gtest/gtest.h>

namespace usher::push {
namespace {

std::string error_of(std::string_view text) {
  const auto endpoint = parse_endpoint(text);
  return endpoint ? "taken" : endpoint.error().message;
}

TEST(Endpoint, UnixPathsAreTakenAsTheyAre) {
  const auto endpoint = parse_endpoint("unix:/run/usher-keyd/keyd.sock");
  ASSERT_TRUE(endpoint) << endpoint.error().message;
  EXPECT_FALSE(endpoint->tls);
  EXPECT_EQ(endpoint->path, "/run/usher-keyd/keyd.sock");
  EXPECT_EQ(endpoint->text, "unix:/run/usher-keyd/keyd.sock");
  EXPECT_EQ(parse_endpoint("unix:/a b:c")->path, "/a b:c");
}

TEST(Endpoint, TlsHasHostAndPort) {
  struct Case {
    const char* text;
    const char* host;
    int port;
  };
  for (const Case& c :
       {Case{"tls:keyd-1.example:7443", "keyd-1.example", 7443},
        Case{"tls:192.0.2.7:1", "192.0.2.7", 1}, Case{"tls:[::1]:65535", "::1", 65535},
        Case{"tls:0.0.0.0:0", "0.0.0.0", 0}, Case{"tls:localhost:7443", "localhost", 7443}}) {
    const auto endpoint = parse_endpoint(c.text);
    ASSERT_TRUE(endpoint) << endpoint.error().message;
    EXPECT_TRUE(endpoint->tls);
    EXPECT_EQ(endpoint->host, c.host);
    EXPECT_EQ(endpoint->port, c.port);
    EXPECT_EQ(endpoint->text, c.text);
  }
}

TEST(Endpoint, ErrorsQuoteAndShowWhatWasExpected) {
  EXPECT_EQ(error_of("tcp:host:1"), "'tcp:host:1': an endpoint is unix:/path or tls:HOST:PORT");
  EXPECT_EQ(error_of(""), "'': an endpoint is unix:/path or tls:HOST:PORT");
  EXPECT_EQ(error_of("UNIX:/x"), "'UNIX:/x': an endpoint is unix:/path or tls:HOST:PORT");
  const std::string path = "unix: needs the absolute path of a socket, as in unix:/run/keyd.sock";
  for (const std::string text : {"unix:", "unix:keyd.sock", "unix:./x", "unix:/run/"}) {
    EXPECT_EQ(error_of(text), "'" + text + "': " + path);
  }
  EXPECT_NE(error_of(std::string("unix:/a\0b", 9)).find("absolute path"), std::string::npos);
  const std::string host = "tls: needs HOST:PORT, as in tls:keyd-1.example:7443 or tls:[::1]:7443";
  for (const std::string text : {"tls:", "tls:host", "tls::1", "tls:host:", "tls:host:65536",
                                 "tls:host:-1", "tls:::1:7443", "tls:a b:1", "tls:[host]:1"}) {
    EXPECT_EQ(error_of(text), "'" + text + "': " + host);
  }
}

TEST(Endpoint, PathsFitIntoASocketAddress) {
  const std::string longest = "/" + std::string(106, 'x');
  EXPECT_EQ(error_of("unix:" + longest), "taken");
  EXPECT_EQ(error_of("unix:" + longest + "x"), "'unix:" + longest +
                                                   "x': the path has 108 bytes; a socket's may "
                                                   "have 107");
}

// ".example" would let OpenSSL take every name below it; the others no certificate has.
TEST(Endpoint, HostsMustBeNamesThatCertificatesHave) {
  for (const std::string host : {".example", "keyd.example.", "a..b", "*.example", "k\"eyd", "a/b",
                                 "[fe80::1%lo]", "[1:2]", "[192.0.2.7]:"}) {
    EXPECT_NE(error_of("tls:" + host + ":1"), "taken") << host;
  }
  EXPECT_EQ(error_of("tls:.example:1"),
            "'tls:.example:1': '.example' is neither an address nor a name that a certificate can "
            "have");
}

}  // namespace
}  // namespace usher::push
