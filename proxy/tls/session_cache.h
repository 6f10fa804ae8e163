#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "proxy/base/bytes.h"
#include "proxy/tls/session_env.h"

namespace usher::tls {

inline constexpr std::size_t kSessionIdSize = 32;  // ours always; RFC 5246 §7.4.1.3 allows up to 32
using SessionId = std::array<std::byte, kSessionIdSize>;

// Sessions of clients that come back with an id: TLS 1.2 session ids (RFC 5246 §7.4.1.2) and
// stateful TLS 1.3 tickets, whose identity is the id. What a TLS session asks of it; never blocks.
// Thread: the worker's. Owner: the worker; outlives its sessions.
class SessionCache {
 public:
  enum class Result : std::uint8_t {
    kHit,
    kMiss,     // not there (any more), or it does not open
    kForeign,  // not an id of ours: nothing was looked up
    kTimeout,  // the store did not answer in time
    kError,    // the store is broken, or its circuit breaker open
  };
  enum class Use : std::uint8_t {
    kShared,  // TLS 1.2: as often as it is presented
    kOnce,    // stateful TLS 1.3: looking it up takes it out
  };
  class Asker {
   public:
    // The session's DER, which lives through the call; inside look_up() or right before
    // on_lookup_done(kHit). How long it has still to live (not positive: it has ended; it is asked
    // for all the same, and why it cannot be used is counted); none: it is not that session.
    virtual std::optional<std::chrono::seconds> take_session(ByteView der) = 0;
    // From the loop, once, where look_up() gave no result; the caller's last act: it may destroy
    // asker and Pending.
    virtual void on_lookup_done(Result result) = 0;

   protected:
    ~Asker() = default;
  };
  class Pending {  // a look-up under way; destroying it cancels: no call follows
   public:
    Pending() = default;
    virtual ~Pending() = default;
    Pending(const Pending&) = delete;
  };

  virtual ~SessionCache() = default;

  // A new id for a session that is then stored; false: 32 random bytes, and nothing is stored (no
  // ring yet, or a stale one).
  virtual bool make_id(std::span<std::byte, kSessionIdSize> id) = 0;
  // The result at once, or none: then `pending` is set and on_lookup_done() follows.
  virtual std::optional<Result> look_up(ByteView id, const Domain& domain, Use use, Asker& asker,
                                        std::unique_ptr<Pending>& pending) = 0;
  // Keeps a session (its DER) for `lifetime`; never waits. A no-op for ids that are not ours.
  virtual void store(ByteView id, const Domain& domain, Use use, ByteView der,
                     std::chrono::seconds lifetime) = 0;
  virtual void remove(ByteView id, Use use) = 0;
};

}  // namespace usher::tls
