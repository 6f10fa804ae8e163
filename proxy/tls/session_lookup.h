#pragma once

#include <memory>
#include <optional>

#include "proxy/base/openssl_ptr.h"
#include "proxy/tls/session_cache.h"

namespace usher::tls {

// Whoever drives a handshake that may be suspended. Thread: the worker's. Owner: anyone who
// outlives the session or cancels its look-up.
class HandshakeWaiter {
 public:
  // From the loop: handshake() is to be called again.
  virtual void on_handshake_resumable() = 0;

 protected:
  ~HandshakeWaiter() = default;
};

// A client's question for the session of an id: what the hello callback waits for and what the
// get-session callback finds, more than once if the client is asked for another hello. Destroying
// it cancels. Thread: the worker's. Owner: the TLS session, until its handshake ends.
class SessionLookup final : public SessionCache::Asker {
 public:
  SessionLookup(SessionCache::Use use, HandshakeWaiter* waiter) : use_(use), waiter_(waiter) {}

  // Once; `id` has kSessionIdSize bytes. Without a waiter only what is found at once is found.
  void begin(SessionCache& cache, ByteView id, const Domain& domain);
  bool under_way() const { return under_way_; }
  std::optional<SessionCache::Result> take_result();  // once
  SessionCache::Use use() const { return use_; }
  SSL_SESSION* found(ByteView id) const;  // null: none of that id

  std::optional<std::chrono::seconds> take_session(ByteView der) override;
  void on_lookup_done(SessionCache::Result result) override;

 private:
  const SessionCache::Use use_;
  HandshakeWaiter* const waiter_;  // may be null
  SessionId id_{};
  SslSessionPtr session_;
  std::optional<SessionCache::Result> result_;
  bool under_way_ = false;
  std::unique_ptr<SessionCache::Pending> pending_;  // last: cancelled first
};

}  // namespace usher::tls
