#include "proxy/server/session_caches.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "proxy/server/session_json.h"

// What is seen of the session caches, and that their cells outlive reloads.
namespace usher::server {
namespace {

using nlohmann::json;
using session::CacheResult;

Generation::Redis servers(std::initializer_list<std::string_view> urls) {
  Generation::Redis redis{{}, urls.size() > 1, std::chrono::milliseconds(20)};
  for (const std::string_view url : urls) {
    redis.servers.push_back(*redis::parse_url(url));
  }
  return redis;
}

class SessionCachesTest : public testing::Test {
 protected:
  void configure(std::size_t entries, Generation::Redis redis = {}) {
    Generation generation;
    generation.config.session_cache.memory_entries = entries;
    generation.config.session_cache.redis_cluster = redis.cluster;
    generation.redis = std::move(redis);
    caches_.configure(generation);
  }
  json shown() const { return sessions_json(caches_.status()); }
  bool exposes(const std::string& line) const {
    return registry_.text().find(line + "\n") != std::string::npos;
  }
  void put(unsigned char first) {
    std::array<std::byte, 32> id{};
    id[8] = std::byte{first};
    const auto now = BootClock::now();
    (void)caches_.memory().put(id, bytes_of("sealed"), now + std::chrono::hours(1), now);
  }

  metrics::Registry registry_;
  SessionCaches caches_{registry_, 2};
};

TEST_F(SessionCachesTest, NothingIsKeptBeforeAGenerationIsInForce) {
  put(1);
  EXPECT_EQ(shown()["memory"]["entries"], 0);
  configure(100);
  put(1);
  EXPECT_EQ(shown()["memory"]["entries"], 1);
  EXPECT_EQ(shown()["memory"]["max"], caches_.memory().stats().entries_max);
  EXPECT_TRUE(exposes("usher_session_cache_entries 1"));
}

TEST_F(SessionCachesTest, AFlushSaysHowManyThereWere) {
  configure(100);
  put(1);
  put(2);
  EXPECT_EQ(caches_.flush(), 2U);
  EXPECT_EQ(caches_.flush(), 0U);
  EXPECT_EQ(shown()["memory"]["entries"], 0);
}

TEST_F(SessionCachesTest, CountsOfAllWorkersAreSummed) {
  constexpr auto kMiss = static_cast<std::size_t>(CacheResult::kMiss);
  caches_.cells(0).memory_lookups[kMiss].add(2);
  caches_.cells(1).memory_lookups[kMiss].add(3);
  caches_.cells(1).redis_stores[static_cast<std::size_t>(CacheResult::kSkipped)].add();
  EXPECT_EQ(shown()["memory"]["lookups"]["miss"], 5);
  EXPECT_TRUE(exposes(R"(usher_session_cache_lookups_total{tier="memory",result="miss"} 5)"));
  EXPECT_TRUE(exposes(R"(usher_session_cache_stores_total{tier="redis",result="skipped"} 1)"));
}

TEST_F(SessionCachesTest, ANodeIsUpForAllAndItsBreakerOpenForAny) {
  const auto one = servers({"redis://user:hidden@a:6379"});
  configure(0, one);
  caches_.redis_cells(one, 0).nodes[0]->up.set(1);
  EXPECT_TRUE(exposes(R"(usher_redis_up{node="redis://a:6379/0"} 0)"));
  caches_.redis_cells(one, 1).nodes[0]->up.set(1);
  EXPECT_TRUE(exposes(R"(usher_redis_up{node="redis://a:6379/0"} 1)"));
  caches_.redis_cells(one, 1).nodes[0]->breaker_open.set(1);
  EXPECT_TRUE(exposes(R"(usher_redis_breaker_open{node="redis://a:6379/0"} 1)"));
  EXPECT_EQ(shown()["redis"]["nodes"],
            json::parse(R"([{"node": "redis://a:6379/0", "up": true, "breaker_open": true}])"));
  EXPECT_EQ(shown().dump().find("hidden"), std::string::npos);
  EXPECT_EQ(registry_.text().find("hidden"), std::string::npos);
}

TEST_F(SessionCachesTest, NodesComeAndGoWithReloadsTheirCellsStay) {
  const auto two = servers({"redis://a:1", "redis://b:2"});
  session::RedisMetrics& cells = caches_.redis_cells(two, 1);
  configure(0, two);
  EXPECT_EQ(shown()["redis"]["nodes"].size(), 2U);
  EXPECT_EQ(shown()["redis"]["cluster"], true);
  configure(0);
  EXPECT_TRUE(shown()["redis"].is_null());
  EXPECT_FALSE(exposes(R"(usher_redis_up{node="redis://a:1/0"} 0)"));
  configure(0, two);
  EXPECT_EQ(&caches_.redis_cells(two, 1), &cells);
  auto slower = two;
  slower.timeout *= 2;
  EXPECT_NE(&caches_.redis_cells(slower, 1), &cells);
  EXPECT_TRUE(exposes(R"(usher_redis_up{node="redis://a:1/0"} 0)"));
}

}  // namespace
}  // namespace usher::server
