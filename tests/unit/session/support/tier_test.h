#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "proxy/base/clock.h"
#include "proxy/redis/url.h"
#include "proxy/session/cache_metrics.h"
#include "proxy/session/redis_tier.h"
#include "proxy/session/session_keys.h"
#include "tests/unit/uv/support/loop_test.h"

namespace usher::session {

// A Redis tier under test; what it is asked for is waited for.
class TierTest : public uv::LoopTest {
 protected:
  // Where silence is waited for; elsewhere a busy machine is to make no difference.
  static constexpr std::chrono::milliseconds kShort{20};
  std::chrono::milliseconds timeout_{10'000};

  struct Answer {
    RedisTier::Result result = RedisTier::Result::kSkipped;
    std::string value;
    std::chrono::nanoseconds took{0};
  };

  ~TierTest() override { tier_.reset(); }

  // Returns when the first server is up and every look-up is possible.
  void start(const std::vector<std::string>& urls, bool cluster = false) {
    RedisTier::Options options{{}, cluster, timeout_, true};
    for (const std::string& url : urls) {
      auto server = redis::parse_url(url);
      ASSERT_TRUE(server) << server.error().message;
      metrics_.add_node(server->label);
      options.servers.push_back(*std::move(server));
    }
    tier_ = std::make_unique<RedisTier>(loop_, std::move(options), metrics_, cache_);
    ASSERT_TRUE(run_until([&] { return row().up.value() == 1; }));
  }

  static std::array<std::byte, kNameSize> name(int number) {
    std::array<std::byte, kNameSize> bytes{};
    bytes[0] = static_cast<std::byte>(number >> 8);
    bytes[1] = static_cast<std::byte>(number);
    bytes[31] = std::byte{0xAB};
    return bytes;
  }

  // Runs the loop, asking now and then, for a minute at most.
  bool run_until(const std::function<bool()>& wanted) {
    const auto give_up = BootClock::now() + std::chrono::minutes(1);
    while (!wanted()) {
      if (BootClock::now() > give_up) {
        return false;
      }
      pause(std::chrono::milliseconds(2));
    }
    return true;
  }

  void pause(std::chrono::milliseconds time) {
    uv::Timer timer;
    timer.open<&TierTest::on_paused>(loop_, *this);
    loop_.update_now();
    timer.start(time);
    run();
  }

  Answer look_up(int number, bool once = false) {
    std::optional<Answer> answer;
    const auto begin = BootClock::now();
    const auto ticket =
        tier_->get(name(number), once, [&](RedisTier::Result result, ByteView value) {
          answer = Answer{result, std::string(text_of(value)), BootClock::now() - begin};
          loop_.stop();
        });
    EXPECT_FALSE(answer) << "inside get()";
    if (ticket == 0) {
      return {};
    }
    ++looked_up_;
    run();
    return answer.value_or(Answer{});
  }

  // With a short time-out a busy machine may need some attempts.
  bool stored(int number, const std::string& value) {
    return run_until([&] { return store(number, value) == CacheResult::kHit; });
  }

  // What the store counted as.
  CacheResult store(int number, const std::string& value,
                    std::chrono::milliseconds lifetime = std::chrono::minutes(1)) {
    std::array<std::uint64_t, kCacheResults> before{};
    for (std::size_t i = 0; i < kCacheResults; ++i) {
      before[i] = cache_.redis_stores[i].value();
    }
    tier_->set(name(number), bytes_of(value), lifetime);
    std::size_t counted = kCacheResults;
    EXPECT_TRUE(run_until([&] {
      for (std::size_t i = 0; i < kCacheResults; ++i) {
        counted = cache_.redis_stores[i].value() != before[i] ? i : counted;
      }
      return counted != kCacheResults;
    }));
    return static_cast<CacheResult>(counted);
  }

  std::uint64_t stores(CacheResult result) const {
    return cache_.redis_stores[static_cast<std::size_t>(result)].value();
  }
  RedisMetrics::Node& row(std::size_t index = 0) { return *metrics_.nodes[index]; }
  std::uint64_t requests_timed() const {
    std::uint64_t count = 0;
    for (std::size_t i = 0; i <= metrics::kLatencyBounds.size(); ++i) {
      count += metrics_.request_seconds.bucket(i).value();
    }
    return count;
  }

  RedisMetrics metrics_;
  CacheMetrics cache_;
  std::unique_ptr<RedisTier> tier_;
  std::uint64_t looked_up_ = 0;

 private:
  void on_paused() { loop_.stop(); }
};

}  // namespace usher::session
