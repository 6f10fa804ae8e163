#include "proxy/session/worker_cache.h"

#include <optional>
#include <string>

#include "tests/support/redis_server.h"
#include "tests/unit/keyring/support/test_keys.h"
#include "tests/unit/session/support/key_books.h"
#include "tests/unit/session/support/tier_test.h"

// One worker's cache over its tiers: the memory of the process, a real redis-server.
namespace usher::session {
namespace {

using namespace std::chrono_literals;
using Cache = tls::SessionCache;
using Use = Cache::Use;

constexpr tls::Domain kDomain{std::byte{7}};
constexpr tls::Domain kOtherDomain{std::byte{8}};

class WorkerCacheTest : public TierTest, public Cache::Asker {
 protected:
  WorkerCacheTest() { cache_of_worker_ = make_cache(); }
  ~WorkerCacheTest() override {
    pending_.reset();
    cache_of_worker_->close();
    cache_of_worker_.reset();
  }

  static std::shared_ptr<const keyring::KeyRing> new_ring() {
    auto key = std::make_shared<keyring::TicketKey>();
    key->name.fill(std::byte{1});
    std::ranges::fill(key->aes.bytes(), std::byte{2});
    std::ranges::fill(key->hmac.bytes(), std::byte{3});
    key->created = BootClock::now();
    auto ring = keyring::KeyRing::make({{1, 1}, {{key, keyring::KeyState::kCurrent}}, {}});
    CHECK(ring.has_value());
    return std::make_shared<const keyring::KeyRing>(*std::move(ring));
  }

  std::unique_ptr<WorkerCache> make_cache() {
    auto made = WorkerCache::create(nullptr, loop_, rings_, memory_, cache_);
    CHECK(made.has_value());
    return *std::move(made);
  }

  void use_redis() {
    start({redis_.emplace().unix_url()});
    cache_of_worker_->use_redis(std::move(tier_));
  }

  tls::SessionId new_id() {
    tls::SessionId id{};
    EXPECT_TRUE(cache_of_worker_->make_id(id));
    return id;
  }
  tls::SessionId stored(Use use, const std::string& session = "the session") {
    const tls::SessionId id = new_id();
    store(id, use, session);
    return id;
  }
  // Until Redis, if there is one, has answered.
  void store(const tls::SessionId& id, Use use, const std::string& session) {
    const std::uint64_t before = stores(CacheResult::kHit);
    cache_of_worker_->store(id, kDomain, use, bytes_of(session), 1h);
    if (redis_) {
      EXPECT_TRUE(run_until([&] { return stores(CacheResult::kHit) > before; }));
    }
  }

  Cache::Result look_up(ByteView id, Use use = Use::kShared, const tls::Domain& domain = kDomain) {
    took_.clear();
    done_.reset();
    const auto at_once = cache_of_worker_->look_up(id, domain, use, *this, pending_);
    if (at_once) {
      EXPECT_EQ(pending_, nullptr);
      return *at_once;
    }
    EXPECT_NE(pending_, nullptr);
    EXPECT_FALSE(done_.has_value()) << "inside look_up()";
    EXPECT_TRUE(run_until([&] { return done_.has_value(); }));
    return done_.value_or(Cache::Result::kError);
  }

  std::optional<std::chrono::seconds> take_session(ByteView der) override {
    took_ = text_of(der);
    return lifetime_;
  }
  void on_lookup_done(Cache::Result result) override {
    done_ = result;
    pending_.reset();  // as a handshake that ends does
  }

  std::uint64_t in_memory(CacheResult result) const {
    return cache_.memory_lookups[static_cast<std::size_t>(result)].value();
  }
  std::uint64_t in_redis(CacheResult result) const {
    return cache_.redis_lookups[static_cast<std::size_t>(result)].value();
  }
  int keys() { return std::stoi(redis_->cli({"DBSIZE"})); }

  std::optional<RedisServer> redis_;
  Snapshot<keyring::KeyRing> rings_{new_ring()};
  MemoryStore memory_{100};
  std::unique_ptr<WorkerCache> cache_of_worker_;
  std::unique_ptr<Cache::Pending> pending_;
  std::optional<std::chrono::seconds> lifetime_ = 1h;
  std::string took_;
  std::optional<Cache::Result> done_;
};

TEST_F(WorkerCacheTest, MemoryAloneAnswersAtOnce) {
  const tls::SessionId id = stored(Use::kShared);
  EXPECT_EQ(look_up(id), Cache::Result::kHit);
  EXPECT_EQ(took_, "the session");
  EXPECT_EQ(look_up(id), Cache::Result::kHit);
  EXPECT_EQ(look_up(new_id()), Cache::Result::kMiss);
  EXPECT_EQ(in_memory(CacheResult::kHit), 2U);
  EXPECT_EQ(in_memory(CacheResult::kMiss), 1U);
  EXPECT_EQ(cache_.memory_stores[static_cast<std::size_t>(CacheResult::kHit)].value(), 1U);
}

TEST_F(WorkerCacheTest, MemoryAloneHasWhatIsUsedOnce) {
  const tls::SessionId id = stored(Use::kOnce);
  EXPECT_EQ(look_up(id, Use::kOnce), Cache::Result::kHit);
  EXPECT_EQ(look_up(id, Use::kOnce), Cache::Result::kMiss);
}

TEST_F(WorkerCacheTest, WhatIsKeptIsSealed) {
  const tls::SessionId id = stored(Use::kShared, "master secret");
  std::vector<std::byte> sealed;
  ASSERT_TRUE(memory_.get(id, false, BootClock::now(), sealed));
  EXPECT_EQ(text_of(sealed).find("master"), std::string_view::npos);
}

TEST_F(WorkerCacheTest, AnotherDomainFindsNothing) {
  const tls::SessionId id = stored(Use::kShared);
  EXPECT_EQ(look_up(id, Use::kShared, kOtherDomain), Cache::Result::kMiss);
  EXPECT_EQ(took_, "");
  EXPECT_EQ(in_memory(CacheResult::kUnsealable), 1U);
  EXPECT_EQ(look_up(id), Cache::Result::kHit);
}

TEST_F(WorkerCacheTest, WhatTheAskerRefusesIsNoHit) {
  const tls::SessionId id = stored(Use::kShared);
  lifetime_.reset();
  EXPECT_EQ(look_up(id), Cache::Result::kMiss);
  EXPECT_EQ(in_memory(CacheResult::kUnsealable), 1U);
}

TEST_F(WorkerCacheTest, WithoutARingNothingIsMadeOrKept) {
  const tls::SessionId id = stored(Use::kShared);
  rings_.publish(std::make_shared<const keyring::KeyRing>());
  tls::SessionId none{};
  EXPECT_FALSE(cache_of_worker_->make_id(none));
  cache_of_worker_->store(none, kDomain, Use::kShared, bytes_of("x"), 1h);
  EXPECT_EQ(look_up(none), Cache::Result::kForeign);
  EXPECT_EQ(look_up(id), Cache::Result::kForeign);
  EXPECT_EQ(memory_.stats().entries, 1U);
}

TEST_F(WorkerCacheTest, TheOtherUseCannotTakeItOut) {
  const tls::SessionId id = stored(Use::kShared);
  EXPECT_EQ(look_up(id, Use::kOnce), Cache::Result::kMiss);
  EXPECT_EQ(look_up(id), Cache::Result::kHit);
  cache_of_worker_->remove(id, Use::kOnce);
  EXPECT_EQ(look_up(id), Cache::Result::kHit);
  cache_of_worker_->remove(id, Use::kShared);
  EXPECT_EQ(look_up(id), Cache::Result::kMiss);
}

TEST_F(WorkerCacheTest, AnotherNodeFindsItInRedisAndThenInMemory) {
  use_redis();
  const tls::SessionId id = stored(Use::kShared);
  EXPECT_EQ(keys(), 1);
  memory_.clear();  // another node's
  EXPECT_EQ(look_up(id), Cache::Result::kHit);
  EXPECT_EQ(took_, "the session");
  EXPECT_EQ(in_redis(CacheResult::kHit), 1U);
  EXPECT_EQ(look_up(id), Cache::Result::kHit);
  EXPECT_EQ(in_redis(CacheResult::kHit), 1U);
  EXPECT_EQ(in_memory(CacheResult::kHit), 1U);
  EXPECT_EQ(look_up(new_id()), Cache::Result::kMiss);
  EXPECT_EQ(in_redis(CacheResult::kMiss), 1U);
}

TEST_F(WorkerCacheTest, WhatHasEndedIsNotKeptAgain) {
  use_redis();
  const tls::SessionId id = stored(Use::kShared);
  memory_.clear();
  lifetime_ = 0s;
  EXPECT_EQ(look_up(id), Cache::Result::kHit);  // the asker counts why it cannot be used
  EXPECT_EQ(memory_.stats().entries, 0U);
}

TEST_F(WorkerCacheTest, WhatIsUsedOnceIsInRedisAlone) {
  use_redis();
  const tls::SessionId id = stored(Use::kOnce);
  EXPECT_EQ(memory_.stats().entries, 0U);
  EXPECT_EQ(look_up(id, Use::kOnce), Cache::Result::kHit);
  EXPECT_EQ(keys(), 0);
  EXPECT_EQ(look_up(id, Use::kOnce), Cache::Result::kMiss);
  EXPECT_EQ(in_memory(CacheResult::kSkipped), 2U);
}

TEST_F(WorkerCacheTest, ForeignIdsCostNoCommand) {
  use_redis();
  const tls::SessionId ours = stored(Use::kShared);
  redis_->cli({"CONFIG", "RESETSTAT"});
  for (std::size_t bit = 0; bit < 8 * ours.size(); bit += 3) {
    tls::SessionId id = ours;
    test::flip(id, bit);
    EXPECT_EQ(look_up(id), Cache::Result::kForeign);
    EXPECT_EQ(look_up(id, Use::kOnce), Cache::Result::kForeign);
    cache_of_worker_->remove(id, Use::kShared);
    cache_of_worker_->store(id, kDomain, Use::kShared, bytes_of("x"), 1h);
  }
  EXPECT_EQ(look_up(ByteView(ours).first(31)), Cache::Result::kForeign);
  pause(20ms);
  const std::string seen = redis_->cli({"INFO", "commandstats"});
  for (const char* command : {"cmdstat_get", "cmdstat_set:", "cmdstat_unlink"}) {
    EXPECT_EQ(seen.find(command), std::string::npos) << seen;
  }
  EXPECT_EQ(look_up(ours), Cache::Result::kHit);
}

TEST_F(WorkerCacheTest, SwappedAndTamperedValuesAreUnsealable) {
  use_redis();
  const tls::SessionId one = stored(Use::kShared, "one");
  const std::string name = redis_->cli({"KEYS", "*"});
  redis_->cli({"RENAME", name, "value of one"});
  (void)stored(Use::kShared, "two");
  memory_.clear();
  redis_->cli({"RENAME", redis_->cli({"KEYS", "usher:*"}), "value of two"});
  redis_->cli({"RENAME", "value of two", name});
  EXPECT_EQ(look_up(one), Cache::Result::kMiss);
  EXPECT_EQ(in_redis(CacheResult::kUnsealable), 1U);
  redis_->cli({"RENAME", "value of one", name});
  redis_->cli({"SETRANGE", name, "20", "tampered"});
  EXPECT_EQ(look_up(one), Cache::Result::kMiss);
  EXPECT_EQ(in_redis(CacheResult::kUnsealable), 2U);
  EXPECT_EQ(took_, "");
  EXPECT_EQ(memory_.stats().entries, 0U);
}

TEST_F(WorkerCacheTest, RemovesFromBothTiers) {
  use_redis();
  for (const Use use : {Use::kShared, Use::kOnce}) {
    const tls::SessionId id = stored(use);
    cache_of_worker_->remove(id, use);
    EXPECT_EQ(look_up(id, use), Cache::Result::kMiss);
    EXPECT_EQ(keys(), 0);
  }
}

TEST_F(WorkerCacheTest, FrozenRedisIsATimeout) {
  use_redis();
  const tls::SessionId id = stored(Use::kShared);
  memory_.clear();
  redis_->cli({"CLIENT", "PAUSE", "10000"});
  EXPECT_EQ(look_up(id), Cache::Result::kTimeout);
  EXPECT_EQ(in_redis(CacheResult::kTimeout), 1U);
}

TEST_F(WorkerCacheTest, CancelledLookUpIsNotAnswered) {
  use_redis();
  const tls::SessionId id = stored(Use::kShared);
  memory_.clear();
  ASSERT_FALSE(cache_of_worker_->look_up(id, kDomain, Use::kShared, *this, pending_));
  pending_.reset();
  pause(40ms);
  EXPECT_FALSE(done_.has_value());
  EXPECT_EQ(took_, "");
}

TEST_F(WorkerCacheTest, LookUpUnderWayEndsOnTheRedisBefore) {
  use_redis();
  const tls::SessionId id = stored(Use::kShared);
  memory_.clear();
  ASSERT_FALSE(cache_of_worker_->look_up(id, kDomain, Use::kShared, *this, pending_));
  cache_of_worker_->use_redis(nullptr);
  ASSERT_TRUE(run_until([&] { return done_.has_value(); }));
  EXPECT_EQ(done_, Cache::Result::kHit);
  memory_.clear();
  EXPECT_EQ(look_up(id), Cache::Result::kMiss);  // none now
  // Nothing holds the tier before any longer: its connections are closed.
  EXPECT_TRUE(run_until([&] {
    const std::string clients = redis_->cli({"CLIENT", "LIST"});
    return clients.find('\n') == std::string::npos;  // the asking one alone
  }));
}

}  // namespace
}  // namespace usher::session
