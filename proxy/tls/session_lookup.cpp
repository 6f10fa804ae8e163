#include "proxy/tls/session_lookup.h"

#include <openssl/err.h>

#include <algorithm>
#include <utility>

#include "proxy/base/bytes.h"
#include "proxy/base/check.h"
#include "proxy/tls/resumption_rules.h"

namespace usher::tls {
namespace {

ByteView id_of(const SSL_SESSION* session) {
  unsigned size = 0;
  const unsigned char* id = SSL_SESSION_get_id(session, &size);
  return std::as_bytes(std::span(id, size));
}

}  // namespace

// Inside the hello callback: what is left in OpenSSL's error queue would fail the handshake.
void SessionLookup::begin(SessionCache& cache, ByteView id, const Domain& domain) {
  CHECK(id.size() == id_.size());
  std::ranges::copy(id, id_.begin());
  ERR_set_mark();
  result_ = cache.look_up(id_, domain, use_, *this, pending_);
  ERR_pop_to_mark();
  CHECK(result_ || pending_);
  under_way_ = !result_ && waiter_ != nullptr;
  if (!under_way_) {
    pending_.reset();
    result_ = result_.value_or(SessionCache::Result::kMiss);
  }
}

std::optional<SessionCache::Result> SessionLookup::take_result() {
  return std::exchange(result_, std::nullopt);
}

SSL_SESSION* SessionLookup::found(ByteView id) const {
  return session_ != nullptr && std::ranges::equal(id, id_) ? session_.get() : nullptr;
}

std::optional<std::chrono::seconds> SessionLookup::take_session(ByteView der) {
  const unsigned char* from = uchars(der);
  const unsigned char* const end = from + der.size();
  ERR_set_mark();
  SslSessionPtr session(d2i_SSL_SESSION(nullptr, &from, static_cast<long>(der.size())));
  ERR_pop_to_mark();
  if (session == nullptr || from != end || !std::ranges::equal(id_of(session.get()), id_)) {
    return std::nullopt;
  }
  session_ = std::move(session);
  return end_of(session_.get()) - unix_now();
}

void SessionLookup::on_lookup_done(SessionCache::Result result) {
  result_ = result;
  under_way_ = false;
  waiter_->on_handshake_resumable();  // last: it may end the handshake, and this with it
}

}  // namespace usher::tls
