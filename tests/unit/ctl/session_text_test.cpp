#include "proxy/ctl/session_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace usher::ctl {
namespace {

using nlohmann::json;

json tier(int hits, int misses) {
  const json counts = {{"hit", hits},     {"miss", misses}, {"timeout", 0}, {"error", 0},
                       {"unsealable", 1}, {"liar", 0},      {"skipped", 2}};
  return {{"lookups", counts}, {"stores", counts}};
}

json memory_alone() {
  json memory = tier(40, 3);
  memory.update({{"entries", 12}, {"max", 20000}, {"bytes", 4096}, {"evictions", 5}});
  return {{"memory", memory}, {"redis", nullptr}, {"stateful_tls13", false}};
}

json with_redis() {
  json sessions = memory_alone();
  sessions["redis"] = tier(7, 1);
  sessions["redis"]["cluster"] = false;
  sessions["redis"]["nodes"] = {
      {{"node", "redis://a:6379/0"}, {"up", true}, {"breaker_open", true}}};
  sessions["stateful_tls13"] = true;
  return sessions;
}

TEST(SessionText, OfMemoryAlone) {
  EXPECT_EQ(sessions_text(memory_alone()),
            "memory            12 of 20000, 4096 bytes, 5 evicted\n"
            "stateful TLS 1.3  no\n"
            "\n"
            "TIER    WHAT     HIT  MISS  TIMEOUT  ERROR  UNSEALABLE  LIAR  SKIPPED\n"
            "memory  lookups   40     3        0      0           1     0        2\n"
            "memory  stores    40     3        0      0           1     0        2\n");
  EXPECT_EQ(sessions_line(memory_alone()), "12 of 20000 in memory");
}

TEST(SessionText, OfRedisToo) {
  const std::string text = sessions_text(with_redis());
  EXPECT_NE(text.find("redis   lookups    7     1"), std::string::npos) << text;
  EXPECT_NE(text.find("REDIS             UP   BREAKER\n"
                      "redis://a:6379/0  yes  open\n"),
            std::string::npos)
      << text;
  EXPECT_EQ(sessions_line(with_redis()), "12 of 20000 in memory; Redis: 0 of 1 node usable");
}

TEST(SessionText, WhatComesFromElsewhereIsMadePrintable) {
  json sessions = with_redis();
  sessions["redis"]["nodes"][0]["node"] = "a\x1b[2J";
  EXPECT_EQ(sessions_text(sessions).find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace usher::ctl
