#pragma once

#include <gtest/gtest.h>

#include <functional>

#include "proxy/keyring/rotation.h"
#include "proxy/tls/ticket_policy.h"
#include "tests/unit/tls/support/joined.h"
#include "tests/unit/tls/support/ticket_forge.h"

namespace usher::tls::test {

using namespace std::chrono_literals;

// One listener whose tickets a test takes, changes and offers again, in TLS 1.2 and in 1.3.
class TicketTest : public testing::TestWithParam<int> {
 protected:
  // What came of one connection.
  struct Met {
    OfferKind offer;
    OfferOutcome outcome;
    unsigned issued;
    SslSessionPtr session;  // the client's, to offer next; may have no ticket
    bool resumed() const { return outcome == OfferOutcome::kResumed; }
  };

  TicketTest() {
    auto keys = TicketKeys::create(library().raw(), rings_);
    CHECK(keys.has_value());
    keys_ = std::move(*keys);
  }

  static bool tls13() { return GetParam() == TLS1_3_VERSION; }

  static keyring::KeyRing new_ring(BootClock::duration age = 0s) {
    auto ring = keyring::first_ring(BootClock::now() - age, {3h, 9h}, keyring::private_random());
    CHECK(ring.has_value());
    return *std::move(ring);
  }

  void publish(keyring::KeyRing ring) {
    rings_.publish(std::make_shared<const keyring::KeyRing>(std::move(ring)));
  }

  void rotate() {
    auto ring =
        keyring::rotate_embedded(keys_->ring(), BootClock::now(), keyring::private_random());
    CHECK(ring.has_value());
    publish(*std::move(ring));
  }

  const keyring::TicketKey& current_key() { return *keys_->ring().entries().front().key; }

  ClientOptions client(SSL_SESSION* session = nullptr) const {
    ClientOptions options = client_;
    options.min_version = options.max_version = GetParam();
    options.session = session;
    return options;
  }

  // One connection, which must succeed: no ticket is a reason to fail. A copy is offered, because
  // OpenSSL's client gives up a session once it got a newer ticket for it.
  Met connect(SSL_SESSION* session = nullptr) {
    const SslSessionPtr copy(session == nullptr ? nullptr : SSL_SESSION_dup(session));
    Met met = connect(client(copy.get()));
    EXPECT_EQ(met.offer, session == nullptr ? OfferKind::kNone : OfferKind::kTicket);
    return met;
  }
  Met connect(const ClientOptions& options) {
    if (context_ == nullptr) {
      context_ = context_of(settings_);
    }
    Joined joined(context_, options, keys_.get());
    EXPECT_TRUE(joined.handshake()) << joined.server().failure_detail();
    const TlsFacts facts = joined.server().facts();
    EXPECT_EQ(SSL_session_reused(joined.client()) != 0,
              facts.offer != OfferKind::kNone && facts.outcome == OfferOutcome::kResumed);
    return {facts.offer, facts.outcome, facts.tickets_issued, joined.session()};
  }

  // Settings change for the connections that follow.
  void rebuild() { context_.reset(); }

  // What a session's ticket holds, under the ring's current key.
  SslSessionPtr content(SSL_SESSION* session) {
    return session_in(ticket_of(session), current_key());
  }

  // A client's session whose ticket holds what `change` made of it.
  using Change = std::function<void(SSL_SESSION*)>;
  SslSessionPtr forged(SSL_SESSION* session, const Change& change) {
    const SslSessionPtr inside = content(session);
    change(inside.get());
    return with_ticket(session, seal_ticket(inside.get(), current_key()));
  }
  OfferOutcome outcome_of(const Change& change) {
    return connect(forged(connect().session.get(), change).get()).outcome;
  }

  static UnixSeconds end_of(const SSL_SESSION* session) {
    return UnixSeconds(
        std::chrono::seconds(SSL_SESSION_get_time(session) + SSL_SESSION_get_timeout(session)));
  }
  static std::optional<TicketAppData> app_data_of(SSL_SESSION* session) {
    void* data = nullptr;
    std::size_t size = 0;
    CHECK(SSL_SESSION_get0_ticket_appdata(session, &data, &size) == 1);
    return decode_app_data({static_cast<const std::byte*>(data), size});
  }
  static UnixSeconds lineage_of(SSL_SESSION* session) {
    const auto data = app_data_of(session);
    CHECK(data.has_value());
    return data->lineage_start;
  }
  static void set_app_data(SSL_SESSION* session, const TicketAppData& data) {
    const EncodedAppData encoded = encode_app_data(data);
    CHECK(SSL_SESSION_set1_ticket_appdata(session, encoded.bytes.data(), encoded.size) == 1);
  }
  static void set_lineage(SSL_SESSION* session, UnixSeconds start) {
    set_app_data(session, {start, std::nullopt});
  }
  static void set_time(SSL_SESSION* session, UnixSeconds time) {
    SSL_SESSION_set_time(session, static_cast<long>(time.time_since_epoch().count()));
  }

  Snapshot<keyring::KeyRing> rings_{std::make_shared<const keyring::KeyRing>(new_ring())};
  std::unique_ptr<TicketKeys> keys_;
  ListenerTls settings_ = simple_listener();
  ClientOptions client_{.sni = "localhost"};

 private:
  std::shared_ptr<const ServerContext> context_;
};

inline auto both_versions() {
  return testing::Values(TLS1_2_VERSION, TLS1_3_VERSION);
}

}  // namespace usher::tls::test
