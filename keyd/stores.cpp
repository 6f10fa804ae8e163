#include "keyd/stores.h"

#include <utility>

#include "keyd/file_store.h"
#include "keyd/redis_store.h"
#include "proxy/redis/url.h"

namespace usher::keyd {
namespace {

Result<redis::Server> server_of(const StoreSettings& settings) {
  if (settings.redis.size() != 1) {
    return fail("store.redis: one server is supported, a cluster needs a later version");
  }
  auto server = redis::parse_url(settings.redis.front());
  return server ? std::move(server) : Unexpected(std::move(server).error().within("store.redis"));
}

}  // namespace

Result<std::unique_ptr<Store>> open_store(uv::Loop& loop, const StoreSettings& settings,
                                          StoreKey key, StoreIdentity identity) {
  if (settings.kind == StoreKind::kFile) {
    return FileStore::open(loop, settings.path, std::move(key), std::move(identity.fleet));
  }
  auto server = server_of(settings);
  if (!server) {
    return Unexpected(std::move(server).error());
  }
  return RedisStore::open(loop, *std::move(server), settings.lease, std::move(key),
                          std::move(identity));
}

Result<void> check_store(const StoreSettings& settings, const StoreKey& key,
                         const StoreIdentity& identity) {
  if (settings.kind == StoreKind::kFile) {
    return FileStore::check(settings.path, key, identity.fleet);
  }
  auto server = server_of(settings);
  return server ? Result<void>() : Unexpected(std::move(server).error());
}

}  // namespace usher::keyd
