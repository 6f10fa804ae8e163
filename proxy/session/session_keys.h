#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "proxy/base/bytes.h"
#include "proxy/base/clock.h"
#include "proxy/base/result.h"
#include "proxy/base/snapshot.h"
#include "proxy/keyring/key_ring.h"
#include "proxy/session/memory_store.h"

struct ossl_lib_ctx_st;

namespace usher::session {

inline constexpr std::size_t kIdSize = 32;
inline constexpr std::size_t kDomainSize = 32;
inline constexpr std::size_t kNameSize = 32;

// What one ring key stands for in session caches, so that a cached session lives exactly as long as
// the ring key: a public selector and the keys of ids, names and values.
struct SessionKeys;

// The derived keys of the ring in force, made once per ring key and kept while a ring has it: each
// HKDF-SHA-256 (RFC 5869) of its AES ‖ HMAC bytes, without salt, with a label of its own (DESIGN
// §6). They live in Secrets; OpenSSL has one of them only while a function here runs. Algorithms
// are fetched once, from the worker's library context. Thread: the worker's. Owner: the worker's
// cache.
class KeyBook {
 public:
  static Result<std::unique_ptr<KeyBook>> create(ossl_lib_ctx_st* library,
                                                 const Snapshot<keyring::KeyRing>& rings);
  ~KeyBook();

  // An id under the current key: selector 4 ‖ random 20 ‖ the first 8 bytes of HMAC-SHA-256(id key,
  // the 24 before). False: no key seals now; `id` is 32 random bytes.
  bool make_id(std::span<std::byte, kIdSize> id, BootClock::time_point now);
  // The keys of an id that we made: known selector, right MAC (compared in constant time), key not
  // past open_max_age. Null: foreign. Lives until the next call of make_id() or keys_of().
  const SessionKeys* keys_of(ByteView id, BootClock::time_point now);

  // Reads the ring in force now: what was derived from keys that have left it is wiped.
  void take_ring();

  // The Redis name of an id: HMAC-SHA-256(name key, id).
  std::array<std::byte, kNameSize> name_of(const SessionKeys& keys, ByteView id);

  // nonce 12 ‖ AES-256-GCM(value key, session; AAD = id ‖ domain) ‖ tag 16. The nonce is random,
  // which is safe for 2^32 values per key (NIST SP 800-38D §8.3): more than a fleet seals in the
  // hours that a rotated key does. A key file that never changes has the same bound: 10,000 new
  // sessions a second reach it in five days.
  static constexpr std::size_t kSealOverhead = 12 + 16;
  static constexpr std::size_t kSealedMax = MemoryStore::kValueMax;  // what is longer is no value
  // False: the session is empty or too long.
  bool seal(const SessionKeys& keys, ByteView id, ByteView domain, ByteView session,
            std::vector<std::byte>& sealed);
  // False: another key, id or domain, tampered with, no value, or no room: `session` must have as
  // many bytes as the value less kSealOverhead. What a failure wrote there is wiped; what success
  // wrote, `size` bytes, the caller wipes.
  bool open(const SessionKeys& keys, ByteView id, ByteView domain, ByteView sealed,
            std::span<std::byte> session, std::size_t& size);

 private:
  struct State;
  explicit KeyBook(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace usher::session
