#pragma once

#include <memory>
#include <vector>

#include "proxy/base/secret.h"
#include "proxy/session/cache_metrics.h"
#include "proxy/session/memory_store.h"
#include "proxy/session/redis_tier.h"
#include "proxy/session/session_keys.h"
#include "proxy/tls/session_cache.h"
#include "proxy/uv/timer.h"

namespace usher::session {

// One worker's session cache: ids and keys of the ring, then the process's memory tier, then the
// fleet's Redis (DESIGN §6). Sessions leave it sealed only. An id that is not ours costs one HMAC
// at most and reaches no tier; one that is taken out by a look-up (kOnce) lives in Redis alone
// where there is one. Thread: the worker's. Owner: the worker; outlives its TLS sessions.
class WorkerCache final : public tls::SessionCache {
 public:
  // `rings`, `memory` and `metrics` outlive it.
  static usher::Result<std::unique_ptr<WorkerCache>> create(ossl_lib_ctx_st* library,
                                                            uv::Loop& loop,
                                                            const Snapshot<keyring::KeyRing>& rings,
                                                            MemoryStore& memory,
                                                            CacheMetrics& metrics);
  ~WorkerCache() override;
  WorkerCache(const WorkerCache&) = delete;

  // From now on this one, null: none. Look-ups under way end on the one before.
  void use_redis(std::unique_ptr<RedisTier> redis);
  // Reads the ring in force now, as KeyBook.
  void take_ring() { book_->take_ring(); }
  // Before the loop ends, when no look-up is under way; idempotent.
  void close();

  bool make_id(std::span<std::byte, tls::kSessionIdSize> id) override;
  std::optional<Result> look_up(ByteView id, const tls::Domain& domain, Use use, Asker& asker,
                                std::unique_ptr<Pending>& pending) override;
  void store(ByteView id, const tls::Domain& domain, Use use, ByteView der,
             std::chrono::seconds lifetime) override;
  void remove(ByteView id, Use use) override;

 private:
  class RedisLookup;
  using Cells = std::array<metrics::Cell, kCacheResults>;
  struct Opened {
    bool hit = false;
    std::chrono::seconds lifetime{0};  // what is left of it; may be none
  };

  WorkerCache(std::unique_ptr<KeyBook> book, uv::Loop& loop, MemoryStore& memory,
              CacheMetrics& metrics);
  // None: not there.
  std::optional<Result> look_in_memory(const SessionKeys& keys, ByteView id,
                                       const tls::Domain& domain, Use use, Asker& asker);
  Opened open(const SessionKeys& keys, ByteView id, const tls::Domain& domain, ByteView sealed,
              Asker& asker);
  void keep_in_memory(ByteView place, ByteView sealed, std::chrono::seconds lifetime);
  Result take_value(const RedisLookup& lookup, RedisTier::Result result, ByteView value);
  void drop_fading();
  static void count(Cells& cells, CacheResult result) {
    cells[static_cast<std::size_t>(result)].add();
  }

  const std::unique_ptr<KeyBook> book_;
  MemoryStore& memory_;
  CacheMetrics& metrics_;
  std::vector<std::byte> sealed_;                   // of the call at hand
  SecretBuffer plain_;                              // the same; wiped after each use
  std::shared_ptr<RedisTier> redis_;                // null: none; shared with its look-ups
  std::vector<std::shared_ptr<RedisTier>> fading_;  // of earlier configurations
  uv::Timer drop_timer_;
};

}  // namespace usher::session
