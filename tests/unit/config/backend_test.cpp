#include <gtest/gtest.h>

#include "tests/unit/config/support/sample.h"

// Backends: how servers are chosen, limited, checked and spoken to in TLS.
namespace usher::config {
namespace {

using namespace std::chrono_literals;

TEST(Backend, EveryKeyArrives) {
  Sample sample = http_sample();
  for (const std::string_view line :
       {"balance = \"hash:header:X-User\"", "first_byte_timeout = \"1s\"", "idle_timeout = \"2s\"",
        "pool_idle = 3", "pool_idle_timeout = \"4s\"", "max_connections = 5", "queue = 6",
        "slow_start = \"7s\"", "eject_after = 8", "eject_for = \"9s\"", "tls = true",
        "tls_ca = \"ca.pem\"", "tls_server_name = \"app.internal\""}) {
    sample.put("[[backend]]", line);
  }
  for (const std::string_view line :
       {"type = \"http\"", "path = \"/healthz?full\"", "interval = \"10s\"", "timeout = \"11s\"",
        "rise = 12", "fall = 13"}) {
    sample.put("[backend.health]", line);
  }
  const auto parsed = sample.parse();
  ASSERT_TRUE(parsed) << sample.problems().front();
  const Backend& backend = parsed->backends.at(0);
  EXPECT_EQ(backend.balance, Balance::kHashHeader);
  EXPECT_EQ(backend.hash_header, "x-user");
  EXPECT_EQ(backend.first_byte_timeout, 1s);
  EXPECT_EQ(backend.idle_timeout, 2s);
  EXPECT_EQ(backend.pool_idle, 3U);
  EXPECT_EQ(backend.pool_idle_timeout, 4s);
  EXPECT_EQ(backend.max_connections, 5U);
  EXPECT_EQ(backend.queue, 6U);
  EXPECT_EQ(backend.slow_start, 7s);
  EXPECT_EQ(backend.eject_after, 8U);
  EXPECT_EQ(backend.eject_for, 9s);
  EXPECT_TRUE(backend.tls);
  EXPECT_EQ(backend.tls_ca, "ca.pem");
  EXPECT_EQ(backend.tls_server_name, "app.internal");
  EXPECT_TRUE(backend.tls_verify);
  EXPECT_EQ(backend.health, (Health{HealthType::kHttp, "/healthz?full", 10s, 11s, 12, 13}));
}

TEST(Backend, TlsKeysWantTls) {
  for (const std::string_view key :
       {"tls_ca = \"ca.pem\"", "tls_server_name = \"app.internal\"", "tls_verify = false"}) {
    Sample sample = http_sample();
    const unsigned line = sample.put("[[backend]]", key);
    EXPECT_TRUE(only(sample, line, "has no effect while 'tls' is false")) << key;
  }
}

TEST(Backend, AuthoritiesWantVerification) {
  Sample sample = http_sample();
  sample.put("[[backend]]", "tls = true");
  sample.put("[[backend]]", "tls_verify = false");
  const unsigned line = sample.put("[[backend]]", "tls_ca = \"ca.pem\"");
  EXPECT_TRUE(only(sample, line, "has no effect while 'tls_verify' is false"));
}

TEST(Backend, UnverifiedServersAreWarnedOf) {
  Sample sample = http_sample();
  sample.put("[[backend]]", "tls = true");
  const unsigned line = sample.put("[[backend]]", "tls_verify = false");
  const auto parsed = sample.parse();
  ASSERT_TRUE(parsed);
  ASSERT_EQ(parsed->warnings.size(), 1U);
  EXPECT_TRUE(parsed->warnings[0].starts_with(at(line, "'tls_verify = false'")));
}

TEST(Backend, AQueueWantsALimit) {
  Sample sample = http_sample();
  const unsigned line = sample.put("[[backend]]", "queue = 10");
  EXPECT_TRUE(only(sample, line, "has no effect while 'max_connections' is 0"));
}

TEST(Backend, HealthKeysWantAType) {
  for (const std::string_view key :
       {"interval = \"3s\"", "timeout = \"2s\"", "rise = 1", "fall = 1", "path = \"/healthz\""}) {
    Sample sample;
    const unsigned line = sample.put("[backend.health]", key);
    EXPECT_TRUE(only(sample, line, "has no effect while 'type' is ")) << key;
  }
  Sample tcp;
  tcp.put("[backend.health]", "type = \"tcp\"");
  const unsigned line = tcp.put("[backend.health]", "path = \"/healthz\"");
  EXPECT_TRUE(only(tcp, line, "has no effect while 'type' is not \"http\""));
}

TEST(Backend, ClientHashingLimitsAndEjectionServeTcpToo) {
  Sample sample;
  for (const std::string_view line :
       {"balance = \"hash:client\"", "max_connections = 5", "slow_start = \"7s\"",
        "eject_after = 8", "eject_for = \"9s\""}) {
    sample.put("[[backend]]", line);
  }
  sample.put("[backend.health]", "type = \"tcp\"");
  EXPECT_EQ(sample.problems(), std::vector<std::string>());
}

}  // namespace
}  // namespace usher::config
