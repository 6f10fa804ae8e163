#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "proxy/base/bytes.h"
#include "proxy/base/clock.h"
#include "proxy/base/secret.h"
#include "proxy/base/snapshot.h"
#include "proxy/keyring/key_ring.h"

struct ossl_lib_ctx_st;

namespace usher::session {

inline constexpr std::size_t kIdSize = 32;
inline constexpr std::size_t kDomainSize = 32;
inline constexpr std::size_t kNameSize = 32;

// What one ring key stands for in session caches: HKDF-SHA-256 of its AES ‖ HMAC bytes with a label
// each (DESIGN §6), so that a cached session lives exactly as long as the ring key.
struct SessionKeys {
  std::array<std::byte, 4> selector{};  // public, the first bytes of every id
  Secret<32> id_mac;
  Secret<32> name;
  Secret<32> value;
};

// The derived keys of the ring in force, made once per ring key. Algorithms are fetched once, from
// the worker's library context. Thread: the worker's. Owner: the worker's cache.
class KeyBook {
 public:
  static Result<std::unique_ptr<KeyBook>> create(ossl_lib_ctx_st* library,
                                                 const Snapshot<keyring::KeyRing>& rings);
  ~KeyBook();

  // An id under the current key: selector 4 ‖ random 20 ‖ the first 8 bytes of HMAC-SHA-256(id_mac,
  // the 24 before). False: no key seals now; `id` is 32 random bytes.
  bool make_id(std::span<std::byte, kIdSize> id, BootClock::time_point now);
  // The keys of an id that we made: known selector, right MAC (compared in constant time), key not
  // past open_max_age. Null: foreign. Lives until the next call of any member.
  const SessionKeys* keys_of(ByteView id, BootClock::time_point now);

  // The Redis name of an id: HMAC-SHA-256(name key, id).
  std::array<std::byte, kNameSize> name_of(const SessionKeys& keys, ByteView id);
  // nonce 12 ‖ AES-256-GCM(value key, session; AAD = id ‖ domain) ‖ tag 16.
  static constexpr std::size_t kSealOverhead = 12 + 16;
  bool seal(const SessionKeys& keys, ByteView id, ByteView domain, ByteView session,
            std::vector<std::byte>& sealed);
  // False: another key, id or domain, or tampered with. `session` is to be wiped by the caller.
  bool open(const SessionKeys& keys, ByteView id, ByteView domain, ByteView sealed,
            std::span<std::byte> session, std::size_t& size);

 private:
  struct State;
  explicit KeyBook(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace usher::session
