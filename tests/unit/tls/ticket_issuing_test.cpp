#include <set>

#include "tests/unit/tls/support/ticket_test.h"

// When tickets are issued, how many, and when none can be (DESIGN §5, §7).
namespace usher::tls::test {
namespace {

class TicketIssuing : public TicketTest {
 protected:
  static bool has_ticket(const Met& met) {
    return met.session != nullptr && SSL_SESSION_has_ticket(met.session.get()) != 0;
  }
};
INSTANTIATE_TEST_SUITE_P(Versions, TicketIssuing, both_versions());

TEST_P(TicketIssuing, layout_is_that_of_rfc5077) {
  const Met first = connect();
  const SslSessionPtr inside = content(first.session.get());  // name, IV, CBC and MAC checked there
  EXPECT_EQ(SSL_SESSION_get_protocol_version(inside.get()), GetParam());
  EXPECT_STREQ(SSL_SESSION_get0_hostname(inside.get()), "localhost");
}

TEST_P(TicketIssuing, no_two_tickets_share_an_iv) {
  std::set<std::string> ivs;
  for (int i = 0; i < 20; ++i) {
    ivs.insert(ticket_of(connect().session.get()).substr(keyring::kNameSize, 16));
  }
  EXPECT_EQ(ivs.size(), 20U);
}

TEST_P(TicketIssuing, ends_with_the_session) {
  const UnixSeconds before = unix_now();
  const Met first = connect();
  const UnixSeconds end = end_of(content(first.session.get()).get());
  EXPECT_GE(end, before + settings_.tickets.session_lifetime);
  EXPECT_LE(end, unix_now() + settings_.tickets.session_lifetime);
}

TEST_P(TicketIssuing, client_learns_the_lifetime) {
  settings_.tickets.session_lifetime = 1234s;
  const Met first = connect();
  EXPECT_EQ(SSL_SESSION_get_ticket_lifetime_hint(first.session.get()), 1234U);
}

TEST_P(TicketIssuing, none_without_a_key_and_again_when_there_is_one) {
  const keyring::KeyRing ring = *rings_.latest();
  const Met before = connect();
  publish(keyring::KeyRing());
  const Met without = connect(before.session.get());
  EXPECT_EQ(without.outcome, OfferOutcome::kUnknownForeign);
  EXPECT_EQ(without.issued, 0U);
  EXPECT_FALSE(has_ticket(without));
  publish(ring);
  EXPECT_EQ(connect().issued, 1U);
  EXPECT_TRUE(connect(before.session.get()).resumed());
}

// Beyond seal_max_age (3 h here) nothing is sealed; until open_max_age (9 h) all is opened.
TEST_P(TicketIssuing, stale_ring_opens_but_does_not_seal) {
  const keyring::KeyRing ring = new_ring(4h);
  publish(keyring::with_policy(ring, {5h, 9h}));
  const Met before = connect();
  EXPECT_EQ(before.issued, 1U);
  publish(ring);
  const Met stale = connect(before.session.get());
  EXPECT_TRUE(stale.resumed());
  EXPECT_EQ(stale.issued, 0U);
  EXPECT_EQ(connect().issued, 0U);
  publish(keyring::with_policy(ring, {1h, 4h}));
  EXPECT_EQ(connect(before.session.get()).outcome, OfferOutcome::kUnknownPast);
  rotate();
  EXPECT_EQ(connect().issued, 1U);
}

TEST_P(TicketIssuing, empty_ticket_extension_offers_nothing) {
  ClientOptions options = client();  // OpenSSL's client sends it, empty, without a session
  const Met met = connect(options);
  EXPECT_EQ(met.offer, OfferKind::kNone);
  EXPECT_EQ(met.issued, 1U);
}

TEST_P(TicketIssuing, none_that_has_already_ended) {
  settings_.tickets.session_lifetime = 0s;
  EXPECT_EQ(connect().issued, 0U);
}

TEST_P(TicketIssuing, as_many_as_configured) {
  for (const unsigned count : {0U, 1U, 3U}) {
    settings_.tickets.per_handshake = count;
    rebuild();
    const Met met = connect();
    EXPECT_EQ(met.issued, tls13() ? count : 1U);  // RFC 5077 knows one only
  }
}

TEST_P(TicketIssuing, all_of_a_handshake_have_one_lineage) {
  settings_.tickets.per_handshake = 4;
  const UnixSeconds start = unix_now() - 1h;
  const Met first = connect();
  const auto old = forged(first.session.get(), [&](SSL_SESSION* s) { set_lineage(s, start); });
  rotate();
  const Met second = connect(old.get());
  ASSERT_TRUE(second.resumed());
  EXPECT_EQ(second.issued, 1U);  // a resumed client has tickets left (OpenSSL sends one)
  EXPECT_EQ(lineage_of(content(second.session.get()).get()), start);  // the last one
}

TEST_P(TicketIssuing, two_workers_with_one_ring_open_each_others) {
  const Met first = connect();
  auto other = TicketKeys::create(library().raw(), rings_);
  ASSERT_TRUE(other);
  keys_ = std::move(*other);
  EXPECT_TRUE(connect(first.session.get()).resumed());
}

}  // namespace
}  // namespace usher::tls::test
