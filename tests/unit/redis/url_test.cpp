#include "proxy/redis/url.h"

#include <gtest/gtest.h>

namespace usher::redis {
namespace {

TEST(Url, NamesAHostWithDefaults) {
  const auto server = parse_url("redis://cache.internal");
  ASSERT_TRUE(server) << server.error().message;
  EXPECT_EQ(server->host, "cache.internal");
  EXPECT_EQ(server->port, 6379);
  EXPECT_EQ(server->user, "");
  EXPECT_EQ(server->password, "");
  EXPECT_EQ(server->database, 0);
  EXPECT_EQ(server->label, "redis://cache.internal:6379/0");
}

TEST(Url, TakesUserPasswordPortAndDatabase) {
  const auto server = parse_url("redis://us%65r:p%40ss%3A%2F%25@[::1]:7000/12");
  ASSERT_TRUE(server) << server.error().message;
  EXPECT_EQ(server->user, "user");
  EXPECT_EQ(server->password, "p@ss:/%");
  EXPECT_EQ(server->host, "::1");
  EXPECT_EQ(server->port, 7000);
  EXPECT_EQ(server->database, 12);
  EXPECT_EQ(server->label, "redis://[::1]:7000/12");
}

TEST(Url, APasswordAloneIsTheDefaultUsers) {
  const auto server = parse_url("redis://:secret@10.0.0.1");
  ASSERT_TRUE(server) << server.error().message;
  EXPECT_EQ(server->user, "");
  EXPECT_EQ(server->password, "secret");
}

TEST(Url, NamesAUnixSocket) {
  const auto server = parse_url("unix:///run/redis%20a/redis.sock");
  ASSERT_TRUE(server) << server.error().message;
  EXPECT_EQ(server->unix_path, "/run/redis a/redis.sock");
  EXPECT_EQ(server->label, "unix:///run/redis%20a/redis.sock");
  const auto full = parse_url("unix://keyd:pw@/run/r.sock?db=3");
  ASSERT_TRUE(full) << full.error().message;
  EXPECT_EQ(full->unix_path, "/run/r.sock");
  EXPECT_EQ(full->user, "keyd");
  EXPECT_EQ(full->password, "pw");
  EXPECT_EQ(full->database, 3);
  EXPECT_EQ(full->label, "unix:///run/r.sock?db=3");
}

class BadUrl : public ::testing::TestWithParam<const char*> {};

TEST_P(BadUrl, IsRefusedWithoutRepeatingIt) {
  const auto server = parse_url(GetParam());
  ASSERT_FALSE(server);
  EXPECT_NE(server.error().message.find("expected redis://"), std::string::npos);
  EXPECT_EQ(server.error().message.find("hunter2"), std::string::npos) << server.error().message;
}

INSTANTIATE_TEST_SUITE_P(
    Urls, BadUrl,
    ::testing::Values("", "redis", "redis:/host", "http://host", "rediss://host", "redis://",
                      "redis://host:0", "redis://host:65536", "redis://host:x", "redis://::1",
                      "redis://host/1x", "redis://host/-1", "redis://host/65536",
                      "redis://host/1/2", "redis://hunter2@host", "redis://user:@host",
                      "redis://user:hunter2%@host", "redis://user:hunter2%4@host",
                      "redis://user:hunter2%zz@host", "redis://user:hunter2%00@host",
                      "redis://a:hunter2@", "unix://", "unix:///", "unix://run/redis.sock",
                      "unix:///a?db=x", "unix:///a?user=hunter2", "unix:///a%00b"));

TEST(Url, ASocketPathMustFitItsAddress) {
  EXPECT_TRUE(parse_url("unix:///" + std::string(106, 'a')));
  EXPECT_FALSE(parse_url("unix:///" + std::string(107, 'a')));
}

}  // namespace
}  // namespace usher::redis
