#include "proxy/session/worker_cache.h"

#include <algorithm>
#include <utility>

namespace usher::session {
namespace {

static_assert(tls::kSessionIdSize == kIdSize);
static_assert(std::tuple_size_v<tls::Domain> == kDomainSize);

tls::SessionCache::Result told_as(CacheResult result) {
  switch (result) {
    case CacheResult::kHit:
      return tls::SessionCache::Result::kHit;
    case CacheResult::kMiss:
    case CacheResult::kUnsealable:
      return tls::SessionCache::Result::kMiss;
    case CacheResult::kTimeout:
      return tls::SessionCache::Result::kTimeout;
    case CacheResult::kError:
    case CacheResult::kLiar:
    case CacheResult::kSkipped:
      return tls::SessionCache::Result::kError;
  }
  return tls::SessionCache::Result::kError;
}

// Where a session is kept. Not the same for both uses: else whoever saw the id of a TLS 1.2 session
// could take it out of Redis by presenting it as a TLS 1.3 identity. The last byte of the id's
// random part differs, so that no other id of ours is likely to be meant.
tls::SessionId place_of(ByteView id, tls::SessionCache::Use use) {
  constexpr std::size_t kLastRandom = 23;
  tls::SessionId place{};
  std::ranges::copy(id, place.begin());
  if (use == tls::SessionCache::Use::kOnce) {
    place[kLastRandom] ^= std::byte{1};
  }
  return place;
}

}  // namespace

// A look-up that waits for Redis. Owner: its asker, who may destroy it in on_lookup_done().
class WorkerCache::RedisLookup final : public Pending {
 public:
  RedisLookup(WorkerCache& cache, ByteView id, const tls::Domain& domain, Use use, Asker& asker)
      : cache_(cache), domain_(domain), use_(use), asker_(asker), redis_(cache.redis_) {
    std::ranges::copy(id, id_.begin());
  }
  ~RedisLookup() override {
    if (ticket_ != 0) {
      redis_->cancel(ticket_);
    }
    if (redis_ != cache_.redis_) {
      cache_.drop_timer_.start(std::chrono::milliseconds(0));  // the last one frees the tier
    }
  }

  // False: Redis is not asked now.
  bool begin(ByteView name) {
    ticket_ =
        redis_->get(name, use_ == Use::kOnce, [this](RedisTier::Result result, ByteView value) {
          ticket_ = 0;
          asker_.on_lookup_done(cache_.take_value(*this, result, value));
        });
    return ticket_ != 0;
  }

  ByteView id() const { return id_; }
  const tls::Domain& domain() const { return domain_; }
  Use use() const { return use_; }
  Asker& asker() const { return asker_; }

 private:
  WorkerCache& cache_;
  tls::SessionId id_{};
  const tls::Domain domain_;
  const Use use_;
  Asker& asker_;  // outlives this
  const std::shared_ptr<RedisTier> redis_;
  RedisTier::Ticket ticket_ = 0;
};

usher::Result<std::unique_ptr<WorkerCache>> WorkerCache::create(
    ossl_lib_ctx_st* library, uv::Loop& loop, const Snapshot<keyring::KeyRing>& rings,
    MemoryStore& memory, CacheMetrics& metrics) {
  auto book = KeyBook::create(library, rings);
  if (!book) {
    return Unexpected(std::move(book).error());
  }
  return std::unique_ptr<WorkerCache>(new WorkerCache(*std::move(book), loop, memory, metrics));
}

WorkerCache::WorkerCache(std::unique_ptr<KeyBook> book, uv::Loop& loop, MemoryStore& memory,
                         CacheMetrics& metrics)
    : book_(std::move(book)), memory_(memory), metrics_(metrics), plain_(KeyBook::kSealedMax) {
  drop_timer_.open<&WorkerCache::drop_fading>(loop, *this);
}

WorkerCache::~WorkerCache() = default;

void WorkerCache::use_redis(std::unique_ptr<RedisTier> redis) {
  if (redis_) {
    fading_.push_back(std::move(redis_));
    drop_timer_.start(std::chrono::milliseconds(0));
  }
  redis_ = std::move(redis);
}

// From the loop, where no callback of a tier is running.
void WorkerCache::drop_fading() {
  std::erase_if(fading_, [](const auto& redis) { return redis.use_count() == 1; });
}

void WorkerCache::close() {
  if (redis_) {
    redis_->close();
  }
  for (const auto& redis : fading_) {
    redis->close();
  }
  drop_timer_.close();
}

bool WorkerCache::make_id(std::span<std::byte, tls::kSessionIdSize> id) {
  return book_->make_id(id, BootClock::now());
}

std::optional<tls::SessionCache::Result> WorkerCache::look_up(ByteView id,
                                                              const tls::Domain& domain, Use use,
                                                              Asker& asker,
                                                              std::unique_ptr<Pending>& pending) {
  const SessionKeys* keys = book_->keys_of(id, BootClock::now());
  if (keys == nullptr) {
    return Result::kForeign;
  }
  if (use == Use::kOnce && redis_) {
    count(metrics_.memory_lookups, CacheResult::kSkipped);
  } else if (const auto result = look_in_memory(*keys, id, domain, use, asker)) {
    return result;
  }
  if (!redis_) {
    return Result::kMiss;
  }
  auto lookup = std::make_unique<RedisLookup>(*this, id, domain, use, asker);
  if (!lookup->begin(book_->name_of(*keys, place_of(id, use)))) {
    count(metrics_.redis_lookups, CacheResult::kSkipped);
    return told_as(CacheResult::kSkipped);
  }
  pending = std::move(lookup);
  return std::nullopt;
}

// What does not open here (an id of another domain) does not open in Redis either.
std::optional<tls::SessionCache::Result> WorkerCache::look_in_memory(const SessionKeys& keys,
                                                                     ByteView id,
                                                                     const tls::Domain& domain,
                                                                     Use use, Asker& asker) {
  if (!memory_.get(place_of(id, use), use == Use::kOnce, BootClock::now(), sealed_)) {
    count(metrics_.memory_lookups, CacheResult::kMiss);
    return std::nullopt;
  }
  const CacheResult result =
      open(keys, id, domain, sealed_, asker).hit ? CacheResult::kHit : CacheResult::kUnsealable;
  count(metrics_.memory_lookups, result);
  return told_as(result);
}

WorkerCache::Opened WorkerCache::open(const SessionKeys& keys, ByteView id,
                                      const tls::Domain& domain, ByteView sealed, Asker& asker) {
  std::size_t size = 0;
  if (!book_->open(keys, id, domain, sealed, plain_.bytes(), size)) {
    return {};
  }
  const std::span session = plain_.bytes().first(size);
  const auto lifetime = asker.take_session(session);
  wipe(session);
  return lifetime ? Opened{true, *lifetime} : Opened{};
}

tls::SessionCache::Result WorkerCache::take_value(const RedisLookup& lookup,
                                                  RedisTier::Result result, ByteView value) {
  CacheResult counted = cache_result_of(result);
  if (counted == CacheResult::kHit) {
    // Looked up anew: the ring may have changed meanwhile.
    const SessionKeys* keys = book_->keys_of(lookup.id(), BootClock::now());
    const Opened opened = keys == nullptr
                              ? Opened{}
                              : open(*keys, lookup.id(), lookup.domain(), value, lookup.asker());
    if (!opened.hit) {
      counted = CacheResult::kUnsealable;
    } else if (lookup.use() == Use::kShared) {
      keep_in_memory(place_of(lookup.id(), lookup.use()), value, opened.lifetime);
    }
  }
  count(metrics_.redis_lookups, counted);
  return told_as(counted);
}

void WorkerCache::keep_in_memory(ByteView place, ByteView sealed, std::chrono::seconds lifetime) {
  const auto now = BootClock::now();
  const auto stored = memory_.put(place, sealed, now + lifetime, now);
  count(metrics_.memory_stores,
        stored == MemoryStore::Stored::kRefused ? CacheResult::kSkipped : CacheResult::kHit);
}

void WorkerCache::store(ByteView id, const tls::Domain& domain, Use use, ByteView der,
                        std::chrono::seconds lifetime) {
  const SessionKeys* keys = book_->keys_of(id, BootClock::now());
  if (keys == nullptr || lifetime <= std::chrono::seconds(0)) {
    return;
  }
  const bool to_memory = use == Use::kShared || !redis_;
  if (!book_->seal(*keys, id, domain, der, sealed_)) {  // too long: an endless certificate chain
    if (to_memory) {
      count(metrics_.memory_stores, CacheResult::kSkipped);
    }
    if (redis_) {
      count(metrics_.redis_stores, CacheResult::kSkipped);
    }
    return;
  }
  const tls::SessionId place = place_of(id, use);
  if (to_memory) {
    keep_in_memory(place, sealed_, lifetime);
  }
  if (redis_) {
    redis_->set(book_->name_of(*keys, place), sealed_, lifetime);
  }
}

void WorkerCache::remove(ByteView id, Use use) {
  const SessionKeys* keys = book_->keys_of(id, BootClock::now());
  if (keys == nullptr) {
    return;
  }
  const tls::SessionId place = place_of(id, use);
  memory_.remove(place);
  if (redis_) {
    redis_->remove(book_->name_of(*keys, place));
  }
}

}  // namespace usher::session
