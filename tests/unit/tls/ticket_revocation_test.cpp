#include <array>

#include "proxy/keyring/ring_changes.h"
#include "tests/unit/tls/support/ticket_test.h"

// After a revocation nothing of before resumes, however often it was renewed (DESIGN §5 "keyd").
namespace usher::tls::test {
namespace {

class TicketRevocation : public TicketTest {
 protected:
  // The ring goes on, but lineages until then are over.
  void end_lineages(UnixSeconds until) {
    const keyring::KeyRing& ring = keys_->ring();
    publish(keyring::without_key(ring, keyring::KeyName{}, until));
  }

  SslSessionPtr begun_at(UnixSeconds start) {
    return forged(connect().session.get(), [&](SSL_SESSION* s) { set_lineage(s, start); });
  }
};
INSTANTIATE_TEST_SUITE_P(Versions, TicketRevocation, both_versions());

TEST_P(TicketRevocation, ends_lineages_that_began_at_or_before) {
  const UnixSeconds limit = unix_now() - 1h;
  const auto before = begun_at(limit - 1s);
  const auto at = begun_at(limit);
  const auto after = begun_at(limit + 1s);
  EXPECT_TRUE(connect(before.get()).resumed());
  end_lineages(limit);
  for (const auto* session : {&before, &at}) {
    const Met met = connect(session->get());
    EXPECT_EQ(met.outcome, OfferOutcome::kLineage);
    EXPECT_EQ(met.issued, 1U) << "with renewal";
    EXPECT_GT(lineage_of(content(met.session.get()).get()), limit);
    EXPECT_TRUE(connect(met.session.get()).resumed());
  }
  EXPECT_TRUE(connect(after.get()).resumed());
}

// A renewed ticket of TLS 1.2 is under a new key but has the secrets of the old one.
TEST_P(TicketRevocation, reaches_renewed_tickets_under_later_keys) {
  const auto old = begun_at(unix_now() - 2h);
  const keyring::KeyName leaked = current_key().name;
  rotate();
  const Met renewed = connect(old.get());
  ASSERT_TRUE(renewed.resumed());
  ASSERT_EQ(renewed.issued, 1U);
  if (!tls13()) {
    std::array<unsigned char, 48> a{};
    std::array<unsigned char, 48> b{};
    SSL_SESSION_get_master_key(old.get(), a.data(), a.size());
    SSL_SESSION_get_master_key(renewed.session.get(), b.data(), b.size());
    EXPECT_EQ(a, b) << "else this test shows nothing";
  }
  auto revoked = keyring::revoke(keys_->ring(), leaked, BootClock::now(), unix_now() - 1h,
                                 keyring::private_random());
  ASSERT_TRUE(revoked);
  publish(*std::move(revoked));
  const Met met = connect(renewed.session.get());
  EXPECT_EQ(met.outcome, OfferOutcome::kLineage);
  EXPECT_EQ(met.issued, 1U);
  EXPECT_EQ(connect(old.get()).outcome, OfferOutcome::kUnknownPast);
  EXPECT_TRUE(connect(met.session.get()).resumed());
}

TEST_P(TicketRevocation, of_the_current_key_seals_with_the_next_at_once) {
  const Met first = connect();
  const keyring::KeyName leaked = current_key().name;
  auto revoked = keyring::revoke(keys_->ring(), leaked, BootClock::now(), unix_now(),
                                 keyring::private_random());
  ASSERT_TRUE(revoked);
  publish(*std::move(revoked));
  const Met met = connect(first.session.get());
  EXPECT_EQ(met.outcome, OfferOutcome::kUnknownPast);
  EXPECT_EQ(met.issued, 1U);
  EXPECT_NE(current_key().name, leaked);
  EXPECT_EQ(ticket_of(met.session.get()).substr(0, leaked.size()), text_of(current_key().name));
}

// Tickets of others have no lineage start: the session's own time counts.
TEST_P(TicketRevocation, without_app_data_the_sessions_own_time_counts) {
  const UnixSeconds limit = unix_now() - 1h;
  const auto begun = [&](UnixSeconds time) {
    return forged(connect().session.get(), [&](SSL_SESSION* s) {
      set_time(s, time);
      SSL_SESSION_set1_ticket_appdata(s, nullptr, 0);
    });
  };
  const auto at = begun(limit);
  const auto after = begun(limit + 1s);
  end_lineages(limit);
  EXPECT_EQ(connect(at.get()).outcome, OfferOutcome::kLineage);
  EXPECT_TRUE(connect(after.get()).resumed());
}

TEST_P(TicketRevocation, lasts_over_rotations_and_policies) {
  const UnixSeconds limit = unix_now() - 1h;
  const auto old = begun_at(limit);
  end_lineages(limit);
  rotate();
  EXPECT_EQ(connect(old.get()).outcome, OfferOutcome::kLineage);
  publish(keyring::with_policy(keys_->ring(), {2h, 8h}));
  EXPECT_EQ(connect(old.get()).outcome, OfferOutcome::kLineage);
}

}  // namespace
}  // namespace usher::tls::test
