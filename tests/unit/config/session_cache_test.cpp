#include <gtest/gtest.h>

#include "tests/unit/config/support/sample.h"

// Session caches: what fits together, and that no message repeats a password.
namespace usher::config {
namespace {

using namespace std::chrono_literals;
using Lines = std::vector<std::string>;

constexpr std::string_view kRedis = "redis = \"redis://cache.internal:6379\"";

SessionCache cache_of(const Sample& sample) {
  auto config = sample.parse();
  EXPECT_TRUE(config) << config.error().messages.front();
  return config ? config->session_cache : SessionCache();
}

Sample with_keyd() {
  Sample sample;
  sample.put("[tickets]", "source = \"keyd\"");
  sample.put("[tickets]", "keyd = [\"unix:/run/usher-keyd/keyd.sock\"]");
  return sample;
}

TEST(SessionCacheSection, ValuesAreTaken) {
  Sample sample = with_keyd();
  EXPECT_EQ(cache_of(sample).memory_entries, 20'000U);
  EXPECT_EQ(cache_of(sample).redis, Lines());
  sample.put("[session_cache]", "memory_entries = 7");
  sample.put("[session_cache]", "stateful_tls13 = true");
  sample.put("[session_cache]", "redis_timeout = \"35ms\"");
  sample.put("[session_cache]", kRedis);
  const SessionCache cache = cache_of(sample);
  EXPECT_EQ(cache.memory_entries, 7U);
  EXPECT_TRUE(cache.stateful_tls13);
  EXPECT_EQ(cache.redis, Lines{"redis://cache.internal:6379"});
  EXPECT_FALSE(cache.redis_cluster);
  EXPECT_EQ(cache.redis_timeout, 35ms);
  EXPECT_EQ(warnings_of(sample), Lines());
}

TEST(SessionCacheSection, AListIsAClusterEvenOfOne) {
  Sample sample = with_keyd();
  sample.put("[session_cache]", "redis = [\"redis://one:7000\"]");
  EXPECT_TRUE(cache_of(sample).redis_cluster);
  sample.put("[session_cache]", "redis = []");
  EXPECT_FALSE(cache_of(sample).redis_cluster);
}

TEST(SessionCacheSection, RedisNeedsTicketKeys) {
  Sample sample;
  sample.put("[tickets]", "source = \"off\"");
  const unsigned line = sample.put("[session_cache]", kRedis);
  EXPECT_TRUE(only(sample.problems(), line, "'redis' needs ticket keys"));
  sample.remove("[session_cache]", "redis");
  EXPECT_EQ(sample.problems(), Lines());  // memory has keys of its own
}

TEST(SessionCacheSection, WhoCanReadWhatRedisHoldsIsTold) {
  Sample embedded;
  unsigned line = embedded.put("[session_cache]", kRedis);
  EXPECT_TRUE(only(warnings_of(embedded), line, "other nodes cannot read the sessions"));
  Sample files;
  files.put("[tickets]", "source = \"file\"");
  files.put("[tickets]", "file = [\"a.key\"]");
  files.put("[tickets]", "seal_max_age = \"1h\"");
  line = files.put("[session_cache]", kRedis);
  EXPECT_TRUE(only(warnings_of(files), line, "only while their tickets.file hold the same keys"));
}

TEST(SessionCacheSection, WhatHasNoEffectIsRefused) {
  Sample timeout;
  unsigned line = timeout.put("[session_cache]", "redis_timeout = \"21ms\"");
  EXPECT_TRUE(only(timeout.problems(), line, "has no effect while there is no 'redis'"));
  Sample nowhere;
  nowhere.put("[session_cache]", "memory_entries = 0");
  line = nowhere.put("[session_cache]", "stateful_tls13 = true");
  EXPECT_TRUE(only(nowhere.problems(), line, "has no effect while 'memory_entries' is 0"));
  Sample old;
  old.put("[tls]", "max_version = \"1.2\"");
  line = old.put("[session_cache]", "stateful_tls13 = true");
  EXPECT_TRUE(only(old.problems(), line, "has no effect while TLS 1.3 is off"));
}

TEST(SessionCacheSection, TlsToRedisIsRefusedInWords) {
  Sample sample = with_keyd();
  const unsigned line = sample.put("[session_cache]", "redis = \"rediss://:hidden@a:6379\"");
  EXPECT_TRUE(only(sample.problems(), line, "hiredis of this build has no TLS"));
}

TEST(SessionCacheSection, NoMessageRepeatsAPassword) {
  for (const std::string_view value :
       {"\"http://:hidden@a:1\"", "\"rediss://:hidden@a:1\"", "[\"redis//:hidden@a:1\"]",
        "[\"redis://:hidden@a:1\", \"redis://:hidden@a:1\"]", "[\"redis://:hidden@a:1\", 5]",
        "{ url = \"redis://:hidden@a:1\" }", "[[\"redis://:hidden@a:1\"]]",
        "\"redis://:hidden@a:1\\n\""}) {
    Sample sample = with_keyd();
    sample.put("[session_cache]", "redis = " + std::string(value));
    const Lines problems = sample.problems();
    ASSERT_FALSE(problems.empty()) << value;
    for (const std::string& problem : problems) {
      EXPECT_EQ(problem.find("hidden"), std::string::npos) << problem;
    }
  }
}

}  // namespace
}  // namespace usher::config
