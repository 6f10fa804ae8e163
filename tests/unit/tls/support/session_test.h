#pragma once

#include <gtest/gtest.h>

#include "proxy/keyring/rotation.h"
#include "proxy/tls/ticket_policy.h"
#include "tests/unit/tls/support/fake_sessions.h"
#include "tests/unit/tls/support/joined.h"

namespace usher::tls::test {

using namespace std::chrono_literals;

// One listener with tickets and a session cache, and a client that comes back.
class SessionTest : public testing::Test {
 protected:
  struct Met {
    bool done = false;
    TlsFacts facts;  // without its texts
    bool reused = false;
    SslSessionPtr session;
  };

  explicit SessionTest(int version) {
    auto keys = TicketKeys::create(library().raw(), rings_);
    CHECK(keys.has_value());
    keys_ = std::move(*keys);
    settings_.tickets.session_ids = true;
    client_.min_version = client_.max_version = version;
  }

  static std::shared_ptr<const keyring::KeyRing> new_ring(UnixSeconds not_before = {}) {
    auto ring = keyring::first_ring(BootClock::now(), {3h, 9h}, keyring::private_random());
    CHECK(ring.has_value());
    keyring::KeyRing::Parts parts = ring->parts();
    parts.lineage_not_before = not_before;
    auto made = keyring::KeyRing::make(std::move(parts));
    CHECK(made.has_value());
    return std::make_shared<const keyring::KeyRing>(*std::move(made));
  }

  std::unique_ptr<Joined> join(SSL_SESSION* session = nullptr,
                               std::size_t quota = Joined::kNoQuota) {
    ClientOptions options = client_;
    options.session = session;
    auto joined =
        std::make_unique<Joined>(context_of(settings_), options, keys_.get(), quota, &sessions_);
    if (!client_takes_tickets_) {
      SSL_set_options(joined->client(), SSL_OP_NO_TICKET);
    }
    return joined;
  }

  // A whole connection. A copy of the session is offered: clients change theirs.
  Met connect(SSL_SESSION* session = nullptr) {
    const SslSessionPtr copy(session == nullptr ? nullptr : SSL_SESSION_dup(session));
    const auto joined = join(copy.get());
    return end_of(*joined);
  }

  Met end_of(Joined& joined) {
    const bool done = joined.handshake();
    EXPECT_TRUE(done) << joined.server().failure_detail();
    Met met{done, joined.server().facts(), SSL_session_reused(joined.client()) != 0,
            joined.session()};
    EXPECT_EQ(met.reused, met.facts.resumption != Resumption::kNone);
    EXPECT_EQ(met.reused,
              met.facts.offer != OfferKind::kNone && met.facts.outcome == OfferOutcome::kResumed);
    return met;
  }

  static std::string id_of(const SSL_SESSION* session) {
    unsigned size = 0;
    const unsigned char* id = SSL_SESSION_get_id(session, &size);
    return {reinterpret_cast<const char*>(id), size};
  }
  static void set_lineage(SSL_SESSION* session, UnixSeconds start) {
    const EncodedAppData encoded = encode_app_data({start, std::nullopt});
    CHECK(SSL_SESSION_set1_ticket_appdata(session, encoded.bytes.data(), encoded.size) == 1);
  }

  Snapshot<keyring::KeyRing> rings_{new_ring()};
  std::unique_ptr<TicketKeys> keys_;
  FakeSessions sessions_;
  ListenerTls settings_ = simple_listener();
  ClientOptions client_{.sni = "localhost"};
  bool client_takes_tickets_ = false;
};

}  // namespace usher::tls::test
