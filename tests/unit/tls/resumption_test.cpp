#include <gtest/gtest.h>

#include <cstring>

#include "proxy/keyring/rotation.h"
#include "tests/unit/tls/support/joined.h"

// Who may resume what (DESIGN §5): the domain decides, in TLS 1.2 the name besides.
namespace usher::tls::test {
namespace {

class ResumptionTest : public testing::TestWithParam<int> {
 protected:
  ResumptionTest() {
    auto keys = TicketKeys::create(library().raw(), rings_);
    CHECK(keys.has_value());
    keys_ = std::move(*keys);
    settings_.credentials = {host("first.example"), host("second.example"), host("*.wild.example")};
  }

  static std::shared_ptr<const keyring::KeyRing> new_ring() {
    auto ring =
        keyring::first_ring(BootClock::now(), {std::chrono::hours(3), std::chrono::hours(9)},
                            keyring::private_random());
    CHECK(ring.has_value());
    return std::make_shared<const keyring::KeyRing>(std::move(*ring));
  }

  CredentialPtr host(const std::string& name) {
    return credential_of(ca_.issue({.common_name = name}), {name});
  }

  ClientOptions options(const std::string& sni, SSL_SESSION* session = nullptr) const {
    ClientOptions options{.min_version = GetParam(), .max_version = GetParam(), .sni = sni};
    options.session = session;
    options.certificate = client_certificate_ ? &*client_certificate_ : nullptr;
    return options;
  }

  // A session begun at one listener under one name.
  SslSessionPtr begin(const ListenerTls& settings, const std::string& sni) {
    Joined joined(context_of(settings), options(sni), keys_.get());
    EXPECT_TRUE(joined.handshake()) << joined.server().failure_detail();
    EXPECT_EQ(joined.server().facts().resumption, Resumption::kNone);
    EXPECT_EQ(joined.server().facts().tickets_issued, 1U);
    SslSessionPtr session = joined.session();
    EXPECT_NE(session, nullptr);
    return session;
  }

  // What became of offering it at another, as the client and the facts agree.
  OfferOutcome offer(const ListenerTls& settings, const std::string& sni, SSL_SESSION* session) {
    Joined joined(context_of(settings), options(sni, session), keys_.get());
    EXPECT_TRUE(joined.handshake()) << joined.server().failure_detail();
    const TlsFacts facts = joined.server().facts();
    EXPECT_EQ(facts.offer, OfferKind::kTicket);
    EXPECT_EQ(facts.outcome == OfferOutcome::kResumed, SSL_session_reused(joined.client()) != 0);
    const Resumption resumed =
        GetParam() == TLS1_3_VERSION ? Resumption::kPsk : Resumption::kTicket;
    EXPECT_EQ(facts.resumption,
              facts.outcome == OfferOutcome::kResumed ? resumed : Resumption::kNone);
    return facts.outcome;
  }

  TestCa ca_ = TestCa::root("Test CA");
  Snapshot<keyring::KeyRing> rings_{new_ring()};
  std::unique_ptr<TicketKeys> keys_;
  ListenerTls settings_;
  std::optional<IssuedCertificate> client_certificate_;
};

INSTANTIATE_TEST_SUITE_P(Versions, ResumptionTest, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION));

TEST_P(ResumptionTest, same_name_resumes) {
  for (const std::string name : {"first.example", "second.example", "a.wild.example"}) {
    const auto session = begin(settings_, name);
    EXPECT_EQ(offer(settings_, name, session.get()), OfferOutcome::kResumed);
  }
}

TEST_P(ResumptionTest, other_host_of_the_listener_does_not) {
  const auto session = begin(settings_, "first.example");
  EXPECT_EQ(offer(settings_, "second.example", session.get()), OfferOutcome::kDomain);
  const auto other = begin(settings_, "second.example");
  EXPECT_EQ(offer(settings_, "first.example", other.get()), OfferOutcome::kDomain);
}

// RFC 6066 §3: in TLS 1.2 the name must be the session's; in TLS 1.3 the domain alone decides.
TEST_P(ResumptionTest, two_names_under_one_wildcard) {
  const auto session = begin(settings_, "a.wild.example");
  EXPECT_EQ(offer(settings_, "b.wild.example", session.get()),
            GetParam() == TLS1_3_VERSION ? OfferOutcome::kResumed : OfferOutcome::kDomain);
}

TEST_P(ResumptionTest, listener_with_an_equal_domain_resumes) {
  ListenerTls other = settings_;
  other.alpn = {"h2"};
  other.credentials[0] = host("first.example");  // renewed
  const auto session = begin(settings_, "first.example");
  EXPECT_EQ(offer(other, "first.example", session.get()), OfferOutcome::kResumed);
}

TEST_P(ResumptionTest, listener_with_another_policy_does_not) {
  const auto session = begin(settings_, "first.example");
  ListenerTls optional = settings_;
  optional.client_auth = ClientAuth::kOptional;
  optional.trust = trust_of(ca_.certificate_pem());
  EXPECT_EQ(offer(optional, "first.example", session.get()), OfferOutcome::kDomain);

  client_certificate_ = ca_.issue({.common_name = "client"});
  ListenerTls required = optional;
  required.client_auth = ClientAuth::kRequired;
  EXPECT_EQ(offer(required, "first.example", session.get()), OfferOutcome::kDomain);
  const auto of_optional = begin(optional, "first.example");
  EXPECT_EQ(offer(required, "first.example", of_optional.get()), OfferOutcome::kDomain);

  ListenerTls revoking = required;
  revoking.trust = trust_of(ca_.certificate_pem(), ca_.crl_pem({}));
  const auto of_required = begin(required, "first.example");
  EXPECT_EQ(offer(revoking, "first.example", of_required.get()), OfferOutcome::kDomain);
  EXPECT_EQ(offer(required, "first.example", of_required.get()), OfferOutcome::kResumed);
}

// A client that had no certificate must not come in by a ticket where one is required.
TEST_P(ResumptionTest, ticket_is_no_way_around_client_authentication) {
  const auto session = begin(settings_, "first.example");
  ListenerTls required = settings_;
  required.client_auth = ClientAuth::kRequired;
  required.trust = trust_of(ca_.certificate_pem());
  for (const std::string name : {"first.example", "second.example", "unknown"}) {
    Joined joined(context_of(required), options(name, session.get()), keys_.get());
    EXPECT_FALSE(joined.handshake());
    EXPECT_EQ(joined.server().failure(), TlsFailure::kClientCertMissing);
  }
}

TEST_P(ResumptionTest, certificate_is_known_after_resumption) {
  settings_.client_auth = ClientAuth::kRequired;
  settings_.trust = trust_of(ca_.certificate_pem());
  client_certificate_ = ca_.issue({.common_name = "client 7"});
  const auto session = begin(settings_, "first.example");
  Joined joined(context_of(settings_), options("first.example", session.get()), keys_.get());
  ASSERT_TRUE(joined.handshake());
  EXPECT_NE(joined.server().facts().resumption, Resumption::kNone);
  EXPECT_TRUE(joined.server().facts().client_cert_verified);
  EXPECT_EQ(joined.server().client_common_name(), "client 7");
}

// Ticket callbacks stay with the listener's context: every host seals with the current key.
TEST_P(ResumptionTest, tickets_of_every_host_carry_the_current_key) {
  const auto& current = keys_->ring().sealing_key(BootClock::now())->name;
  for (const std::string name :
       {"", "first.example", "second.example", "a.wild.example", "unknown"}) {
    const auto session = begin(settings_, name);
    const unsigned char* ticket = nullptr;
    std::size_t size = 0;
    SSL_SESSION_get0_ticket(session.get(), &ticket, &size);
    ASSERT_GT(size, current.size());
    EXPECT_EQ(std::memcmp(ticket, current.data(), current.size()), 0) << name;
  }
}

TEST_P(ResumptionTest, without_tickets_none_is_issued_or_opened) {
  const auto session = begin(settings_, "first.example");
  ListenerTls off = settings_;
  off.tickets.enabled = false;
  EXPECT_EQ(offer(off, "first.example", session.get()), OfferOutcome::kUnknownForeign);
  Joined joined(context_of(off), options("first.example"), keys_.get());
  ASSERT_TRUE(joined.handshake());
  EXPECT_EQ(joined.server().facts().tickets_issued, 0U);
  if (GetParam() == TLS1_3_VERSION) {
    EXPECT_EQ(joined.session(), nullptr);
  } else {
    EXPECT_EQ(SSL_SESSION_has_ticket(joined.session().get()), 0);
  }
}

TEST_P(ResumptionTest, ticket_survives_a_rotation_and_a_rebuilt_context) {
  const auto session = begin(settings_, "first.example");
  auto rotated =
      keyring::rotate_embedded(keys_->ring(), BootClock::now(), keyring::private_random());
  ASSERT_TRUE(rotated);
  rings_.publish(std::make_shared<const keyring::KeyRing>(std::move(*rotated)));
  settings_.max_version = TLS1_3_VERSION;
  EXPECT_EQ(offer(settings_, "first.example", session.get()), OfferOutcome::kResumed);
}

TEST(ResumptionOffers, empty_ring_issues_nothing) {
  const Snapshot<keyring::KeyRing> rings(std::make_shared<const keyring::KeyRing>());
  const auto keys = TicketKeys::create(library().raw(), rings);
  ASSERT_TRUE(keys);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    Joined joined(context_of(simple_listener()),
                  {.min_version = version, .max_version = version, .sni = "localhost"},
                  keys->get());
    ASSERT_TRUE(joined.handshake());
    EXPECT_EQ(joined.server().facts().tickets_issued, 0U);
  }
}

// The hello of a client that may fall back to its TLS 1.2 ticket, which TLS 1.3 has no use for.
TEST_P(ResumptionTest, ticket_of_tls12_where_tls13_is_negotiated) {
  if (GetParam() == TLS1_3_VERSION) {
    const auto session = begin(settings_, "first.example");
    settings_.max_version = TLS1_2_VERSION;  // and the other way round
    ClientOptions both = options("first.example", session.get());
    both.min_version = TLS1_2_VERSION;
    Joined joined(context_of(settings_), both, keys_.get());
    ASSERT_TRUE(joined.handshake());
    EXPECT_EQ(joined.server().facts().resumption, Resumption::kNone);
    EXPECT_EQ(joined.server().facts().offer, OfferKind::kTicket);
    EXPECT_EQ(joined.server().facts().outcome, OfferOutcome::kVersion);
    return;
  }
  const auto session = begin(settings_, "first.example");
  ClientOptions both = options("first.example", session.get());
  both.max_version = TLS1_3_VERSION;
  Joined joined(context_of(settings_), both, keys_.get());
  ASSERT_TRUE(joined.handshake());
  EXPECT_EQ(joined.server().facts().version, "TLSv1.3");
  EXPECT_EQ(joined.server().facts().offer, OfferKind::kTicket);
  EXPECT_EQ(joined.server().facts().outcome, OfferOutcome::kVersion);
}

// TLS 1.2 ids: no session is kept by id until there is a cache, so a foreign one is not found.
TEST(ResumptionOffers, session_id_is_not_found) {
  Joined joined(context_of(simple_listener()), {});
  // ClientHello of TLS 1.2 with a session id of 32 bytes: one suite, algorithm and group.
  std::string hello("\x16\x03\x01\x00\x5f\x01\x00\x00\x5b\x03\x03", 11);
  hello += std::string(32, 'r') + '\x20' + std::string(32, 'i');
  hello += std::string("\x00\x02\xc0\x2b\x01\x00", 6);
  hello += std::string("\x00\x10\x00\x0d\x00\x04\x00\x02\x04\x03", 10);
  hello += std::string("\x00\x0a\x00\x04\x00\x02\x00\x17", 8);
  ByteQueue output;
  joined.server().attach(bytes_of(hello), output);
  EXPECT_EQ(joined.server().handshake(), IoOutcome::kBlocked) << joined.server().failure_detail();
  EXPECT_EQ(joined.server().facts().offer, OfferKind::kSessionId);
  EXPECT_EQ(joined.server().facts().outcome, OfferOutcome::kNotFound);
}

// A client of TLS 1.3 with nothing to resume still sends a random id (RFC 8446 §4.1.2).
TEST(ResumptionOffers, random_session_id_of_a_tls13_client_is_no_offer) {
  ListenerTls settings = simple_listener();
  settings.max_version = TLS1_2_VERSION;
  Joined joined(context_of(settings), {});
  ASSERT_TRUE(joined.handshake());
  EXPECT_EQ(joined.server().facts().version, "TLSv1.2");
  EXPECT_EQ(joined.server().facts().offer, OfferKind::kNone);
}

}  // namespace
}  // namespace usher::tls::test
