#include <openssl/pem.h>

#include "tests/unit/tls/support/ticket_test.h"

// How long resumption goes on: renewal, rotation, lifetime, lineage (DESIGN §5).
namespace usher::tls::test {
namespace {

class TicketRenewal : public TicketTest {};
INSTANTIATE_TEST_SUITE_P(Versions, TicketRenewal, both_versions());

bool names(const std::string& ticket, const keyring::TicketKey& key) {
  return ticket.compare(0, key.name.size(), text_of(key.name)) == 0;
}

// TLS 1.3 always renews (RFC 8446 §C.4: tickets are for one use); TLS 1.2 needs no new ticket.
TEST_P(TicketRenewal, under_the_current_key) {
  const Met first = connect();
  EXPECT_EQ(first.offer, OfferKind::kNone);
  EXPECT_EQ(first.issued, 1U);
  const Met second = connect(first.session.get());
  EXPECT_TRUE(second.resumed());
  EXPECT_EQ(second.issued, tls13() ? 1U : 0U);
  EXPECT_EQ(ticket_of(second.session.get()) == ticket_of(first.session.get()), !tls13());
}

TEST_P(TicketRenewal, under_a_previous_key) {
  const Met first = connect();
  rotate();
  const Met second = connect(first.session.get());
  EXPECT_TRUE(second.resumed());
  EXPECT_EQ(second.issued, 1U);
  EXPECT_TRUE(names(ticket_of(second.session.get()), current_key()));
  const Met third = connect(second.session.get());
  EXPECT_TRUE(third.resumed());
  EXPECT_EQ(third.issued, tls13() ? 1U : 0U);
}

// A key that another node already promoted: opens, and is not renewed for being too new.
TEST_P(TicketRenewal, under_the_next_key) {
  auto with_next = keyring::create_next(keys_->ring(), BootClock::now(), keyring::private_random());
  ASSERT_TRUE(with_next);
  auto promoted = keyring::promote(*with_next);
  ASSERT_TRUE(promoted);
  publish(*promoted);
  const Met first = connect();
  publish(*with_next);
  const Met second = connect(first.session.get());
  EXPECT_TRUE(second.resumed());
  EXPECT_EQ(second.issued, tls13() ? 1U : 0U);
}

TEST_P(TicketRenewal, resumes_until_the_key_expires_and_not_after) {
  Met first = connect();
  const keyring::TicketKey& key = current_key();
  const auto aged = [&](BootClock::duration age) {
    auto copy = std::make_shared<keyring::TicketKey>();
    copy->name = key.name;
    copy->epoch = key.epoch;
    copy->aes = Secret<32>::copy_of(key.aes.bytes());
    copy->hmac = Secret<32>::copy_of(key.hmac.bytes());
    copy->created = BootClock::now() - age;
    const keyring::KeyRing& ring = *rings_.latest();
    auto made = keyring::KeyRing::make({{1, 2},
                                        {{copy, keyring::KeyState::kCurrent}},
                                        ring.policy(),
                                        ring.tag(),
                                        ring.name_key()});
    CHECK(made.has_value());
    return *std::move(made);
  };
  const auto held = rings_.latest();  // `key` lives in it
  publish(aged(9h - 1min));
  EXPECT_EQ(connect(first.session.get()).outcome, OfferOutcome::kResumed);
  publish(aged(9h));
  EXPECT_EQ(connect(first.session.get()).outcome, OfferOutcome::kUnknownPast);
}

TEST_P(TicketRenewal, lineage_is_kept_over_every_renewal) {
  const UnixSeconds start = unix_now() - 10h;
  Met met = connect();
  EXPECT_LE(unix_now() - lineage_of(content(met.session.get()).get()), 5s);
  met.session = forged(met.session.get(), [&](SSL_SESSION* s) { set_lineage(s, start); });
  for (int i = 0; i < 3; ++i) {
    const auto before = rings_.latest();
    rotate();  // so that TLS 1.2 renews too
    met = connect(met.session.get());
    ASSERT_TRUE(met.resumed());
    ASSERT_EQ(met.issued, 1U);
    EXPECT_EQ(lineage_of(content(met.session.get()).get()), start);
  }
}

TEST_P(TicketRenewal, a_full_handshake_begins_a_new_lineage) {
  const Met first = connect();
  const auto old =
      forged(first.session.get(), [](SSL_SESSION* s) { set_lineage(s, unix_now() - 1000h); });
  const Met second = connect(old.get());
  EXPECT_EQ(second.outcome, OfferOutcome::kLineage);
  EXPECT_EQ(second.issued, 1U);
  EXPECT_LE(unix_now() - lineage_of(content(second.session.get()).get()), 5s);
}

TEST_P(TicketRenewal, lineage_ends_exactly) {
  const auto begun = [&](std::chrono::seconds ago) {
    return outcome_of([&](SSL_SESSION* s) { set_lineage(s, unix_now() - ago); });
  };
  EXPECT_EQ(begun(settings_.tickets.lineage_max), OfferOutcome::kLineage);
  EXPECT_EQ(begun(settings_.tickets.lineage_max - 30s), OfferOutcome::kResumed);
}

TEST_P(TicketRenewal, renewed_ticket_ends_with_its_lineage) {
  const UnixSeconds start = unix_now() - settings_.tickets.lineage_max + 30s;
  const Met first = connect();
  const auto old = forged(first.session.get(), [&](SSL_SESSION* s) { set_lineage(s, start); });
  rotate();
  const Met second = connect(old.get());
  ASSERT_TRUE(second.resumed());
  EXPECT_EQ(end_of(content(second.session.get()).get()), start + settings_.tickets.lineage_max);
}

TEST_P(TicketRenewal, session_ends_exactly) {
  const auto begun = [&](std::chrono::seconds ago) {
    return outcome_of([&](SSL_SESSION* s) { set_time(s, unix_now() - ago); });
  };
  EXPECT_EQ(begun(settings_.tickets.session_lifetime), OfferOutcome::kExpired);
  EXPECT_EQ(begun(settings_.tickets.session_lifetime - 30s), OfferOutcome::kResumed);
}

// TLS 1.2: the session's time is the first handshake's, so renewal prolongs nothing.
TEST_P(TicketRenewal, renewal_prolongs_only_in_tls13) {
  const UnixSeconds begun = unix_now() - 1h;
  const Met first = connect();
  const auto old = forged(first.session.get(), [&](SSL_SESSION* s) { set_time(s, begun); });
  rotate();
  const Met second = connect(old.get());
  ASSERT_TRUE(second.resumed());
  const auto end = end_of(content(second.session.get()).get());
  if (tls13()) {
    EXPECT_GE(end, begun + 1h + settings_.tickets.session_lifetime);
  } else {
    EXPECT_EQ(end, begun + settings_.tickets.session_lifetime);
  }
}

// The shorter of what was sealed and what is configured now.
TEST_P(TicketRenewal, policies_that_changed_since_the_ticket) {
  const auto timeout = [&](std::chrono::seconds seconds) {
    return outcome_of([&](SSL_SESSION* s) {
      set_time(s, unix_now() - 2h);
      SSL_SESSION_set_timeout(s, static_cast<long>(seconds.count()));
    });
  };
  EXPECT_EQ(timeout(1h), OfferOutcome::kExpired) << "sealed under a shorter policy";
  EXPECT_EQ(timeout(2h), OfferOutcome::kExpired) << "its last second is over";
  EXPECT_EQ(timeout(100h), OfferOutcome::kResumed);
  settings_.tickets.session_lifetime = 1h;
  rebuild();
  EXPECT_EQ(timeout(100h), OfferOutcome::kExpired) << "sealed under a longer policy";
}

// Tickets of nginx and HAProxy have no app-data; what is malformed is treated like none.
TEST_P(TicketRenewal, without_app_data_the_sessions_own_time_counts) {
  settings_.tickets.session_lifetime = 20h;
  settings_.tickets.lineage_max = 10h;
  rebuild();
  const auto begun = [&](std::chrono::seconds ago, const std::string& data) {
    return outcome_of([&](SSL_SESSION* s) {
      SSL_SESSION_set_timeout(s, 100'000);
      set_time(s, unix_now() - ago);
      SSL_SESSION_set1_ticket_appdata(s, data.data(), data.size());
    });
  };
  for (const std::string& data : {std::string(), std::string("\1"), std::string(9, '\0'),
                                  std::string(10, '\1'), "\1" + std::string(8, '\xff')}) {
    EXPECT_EQ(begun(9h, data), OfferOutcome::kResumed) << hex(bytes_of(data));
    EXPECT_EQ(begun(11h, data), OfferOutcome::kLineage) << hex(bytes_of(data));
  }
}

TEST_P(TicketRenewal, a_start_in_the_future_counts_as_now) {
  const Met first = connect();
  const auto ahead =
      forged(first.session.get(), [](SSL_SESSION* s) { set_lineage(s, unix_now() + 1000h); });
  rotate();
  const Met second = connect(ahead.get());
  EXPECT_TRUE(second.resumed());
  EXPECT_LE(lineage_of(content(second.session.get()).get()), unix_now());
}

class TicketOfClient : public TicketTest {
 protected:
  TicketOfClient() {
    settings_.client_auth = ClientAuth::kRequired;
    settings_.trust = trust_of(ca_.certificate_pem());
  }

  void bring(UnixSeconds not_after) {
    certificate_ = ca_.issue({.common_name = "client", .not_after = not_after});
    client_.certificate = &certificate_;
  }

  TestCa ca_ = TestCa::root("Client CA");
  IssuedCertificate certificate_;
};
INSTANTIATE_TEST_SUITE_P(Versions, TicketOfClient, both_versions());

TEST_P(TicketOfClient, ends_with_the_certificate) {
  const UnixSeconds not_after = unix_now() + 1h;
  bring(not_after);
  const Met first = connect();
  EXPECT_EQ(end_of(content(first.session.get()).get()), not_after);
  rotate();
  const Met second = connect(first.session.get());
  ASSERT_TRUE(second.resumed());
  EXPECT_EQ(end_of(content(second.session.get()).get()), not_after);
}

TEST_P(TicketOfClient, is_refused_after_the_certificate_has_expired) {
  bring(unix_now() + 1h);
  const Met first = connect();
  const IssuedCertificate old = ca_.issue({.common_name = "client", .not_after = unix_now()});
  const BioPtr pem(BIO_new_mem_buf(old.certificate_pem.data(), -1));
  const X509Ptr expired(PEM_read_bio_X509(pem.get(), nullptr, nullptr, nullptr));
  const SslSessionPtr inside =
      with_field(content(first.session.get()).get(), SessionField::kPeer, der_of(expired.get()));
  const auto offered = with_ticket(first.session.get(), seal_ticket(inside.get(), current_key()));
  EXPECT_EQ(connect(offered.get()).outcome, OfferOutcome::kExpired);
}

}  // namespace
}  // namespace usher::tls::test
