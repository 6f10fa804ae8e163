// Stateful tickets of TLS 1.3: ids that are used once, beside tickets that are not.
#include "tests/unit/tls/support/session_test.h"

namespace usher::tls::test {
namespace {

using Result = SessionCache::Result;
using Use = SessionCache::Use;

class StatefulTickets : public SessionTest {
 protected:
  StatefulTickets() : SessionTest(TLS1_3_VERSION) { settings_.tickets.stateful_tls13 = true; }

  // The client's first key share is of a group that the server has not: HelloRetryRequest.
  void ask_twice() {
    settings_.groups = "X25519";
    client_.groups = "P-256:X25519";
  }
};

TEST_F(StatefulTickets, TicketIsAnIdThatResumesOnce) {
  const Met first = connect();
  EXPECT_EQ(first.facts.tickets_issued, 1U);
  ASSERT_EQ(sessions_.kept.size(), 1U);
  EXPECT_EQ(ticket_of(first.session.get()), sessions_.kept.begin()->first);
  EXPECT_EQ(sessions_.kept.begin()->second.use, Use::kOnce);
  EXPECT_EQ(SSL_SESSION_get_ticket_lifetime_hint(first.session.get()), 6U * 3600);

  const Met second = connect(first.session.get());
  EXPECT_EQ(second.facts.offer, OfferKind::kSessionId);
  EXPECT_EQ(second.facts.resumption, Resumption::kPsk);
  EXPECT_NE(ticket_of(second.session.get()), ticket_of(first.session.get()));

  const Met replayed = connect(first.session.get());
  EXPECT_EQ(replayed.facts.offer, OfferKind::kSessionId);
  EXPECT_EQ(replayed.facts.outcome, OfferOutcome::kNotFound);
  EXPECT_TRUE(connect(second.session.get()).reused);
  for (const auto& [id, use] : sessions_.asked) {
    EXPECT_EQ(use, Use::kOnce);
  }
}

TEST_F(StatefulTickets, EachOfSeveralTicketsResumes) {
  settings_.tickets.per_handshake = 3;
  EXPECT_EQ(connect().facts.tickets_issued, 3U);
  EXPECT_EQ(sessions_.kept.size(), 3U);
}

TEST_F(StatefulTickets, LineageGoesOn) {
  const Met first = connect();
  const UnixSeconds start = unix_now() - 20h;
  sessions_.change_kept([&](SSL_SESSION* session) { set_lineage(session, start); });
  EXPECT_TRUE(connect(first.session.get()).reused);
  EXPECT_LE(sessions_.kept.begin()->second.lifetime, 4h);
  sessions_.change_kept([&](SSL_SESSION* session) { set_lineage(session, start - 4h); });
  const Met second = connect(first.session.get());
  EXPECT_FALSE(second.reused);
}

TEST_F(StatefulTickets, HelloRetryRequestFindsWhatWasTakenOut) {
  ask_twice();
  for (const bool later : {false, true}) {
    sessions_.answers_later = false;
    const Met first = connect();
    sessions_.asked.clear();
    sessions_.answers_later = later;
    const auto joined = join(first.session.get());
    if (later) {
      EXPECT_FALSE(joined->handshake());
      sessions_.answer();
    }
    EXPECT_EQ(end_of(*joined).facts.resumption, Resumption::kPsk);
    EXPECT_EQ(sessions_.asked.size(), 1U);
  }
}

TEST_F(StatefulTickets, SuspendedOneByteAtATime) {
  const Met first = connect();
  sessions_.answers_later = true;
  const auto joined = join(first.session.get(), 1);
  EXPECT_FALSE(joined->handshake());
  EXPECT_TRUE(joined->server().suspended());
  sessions_.answer();
  EXPECT_TRUE(end_of(*joined).reused);
}

TEST_F(StatefulTickets, TimeoutIsAFullHandshakeWithANewTicket) {
  const Met first = connect();
  sessions_.answers_later = true;
  const auto joined = join(first.session.get());
  EXPECT_FALSE(joined->handshake());
  sessions_.answer_as(Result::kTimeout);
  const Met second = end_of(*joined);
  EXPECT_EQ(second.facts.outcome, OfferOutcome::kTimeout);
  EXPECT_EQ(second.facts.tickets_issued, 1U);
  EXPECT_EQ(ticket_of(second.session.get()).size(), kSessionIdSize);
}

TEST_F(StatefulTickets, StatelessTicketsOfBeforeAreUsable) {
  settings_.tickets.stateful_tls13 = false;
  const Met first = connect();
  EXPECT_GT(ticket_of(first.session.get()).size(), kSessionIdSize);
  EXPECT_TRUE(sessions_.kept.empty());
  settings_.tickets.stateful_tls13 = true;
  for (const bool retried : {false, true}) {
    if (retried) {
      ask_twice();
    }
    const Met second = connect(first.session.get());
    EXPECT_EQ(second.facts.offer, OfferKind::kTicket);
    EXPECT_EQ(second.facts.resumption, Resumption::kPsk);
    EXPECT_EQ(ticket_of(second.session.get()).size(), kSessionIdSize);
    EXPECT_TRUE(connect(second.session.get()).reused);
  }
}

// OpenSSL knows one kind of ticket a connection: the refused one must not spoil the new one.
TEST_F(StatefulTickets, UnknownStatelessTicketIsFollowedByAnId) {
  settings_.tickets.stateful_tls13 = false;
  const Met first = connect();
  settings_.tickets.stateful_tls13 = true;
  rings_.publish(new_ring());
  const Met second = connect(first.session.get());
  EXPECT_EQ(second.facts.outcome, OfferOutcome::kUnknownForeign);
  EXPECT_EQ(second.facts.offer, OfferKind::kTicket);
  EXPECT_EQ(ticket_of(second.session.get()).size(), kSessionIdSize);
  EXPECT_TRUE(connect(second.session.get()).reused);
}

TEST_F(StatefulTickets, TurnedOffIdsAreUnknownTickets) {
  const Met first = connect();
  settings_.tickets.stateful_tls13 = false;
  const Met second = connect(first.session.get());
  EXPECT_EQ(second.facts.offer, OfferKind::kTicket);
  EXPECT_EQ(second.facts.outcome, OfferOutcome::kUnknownForeign);
  EXPECT_GT(ticket_of(second.session.get()).size(), kSessionIdSize);
  EXPECT_TRUE(sessions_.asked.empty());
}

TEST_F(StatefulTickets, WithoutStatelessTickets) {
  settings_.tickets.enabled = false;
  const Met first = connect();
  EXPECT_EQ(ticket_of(first.session.get()).size(), kSessionIdSize);
  EXPECT_TRUE(connect(first.session.get()).reused);
}

TEST_F(StatefulTickets, WhereNoIdIsMadeTicketsAreStateless) {
  sessions_.makes_ids = false;
  const Met first = connect();
  EXPECT_GT(ticket_of(first.session.get()).size(), kSessionIdSize);
  EXPECT_EQ(first.facts.tickets_issued, 1U);
  EXPECT_TRUE(sessions_.kept.empty());
  EXPECT_EQ(connect(first.session.get()).facts.resumption, Resumption::kPsk);
}

TEST_F(StatefulTickets, ForeignIdentityIsCountedAndNotLookedUp) {
  const Met first = connect();
  const SslSessionPtr other = with_ticket(first.session.get(), std::string(kSessionIdSize, 'x'));
  const Met second = connect(other.get());
  EXPECT_EQ(second.facts.offer, OfferKind::kSessionId);
  EXPECT_EQ(second.facts.outcome, OfferOutcome::kForeign);
  EXPECT_TRUE(sessions_.asked.empty());
  EXPECT_TRUE(connect(second.session.get()).reused);
}

TEST_F(StatefulTickets, SessionOfAnotherDomainIsNotResumed) {
  const Met first = connect();
  settings_.client_auth = ClientAuth::kOptional;
  TestCa ca = TestCa::root("Client CA");
  settings_.trust = trust_of(ca.certificate_pem());
  const Met second = connect(first.session.get());
  EXPECT_EQ(second.facts.outcome, OfferOutcome::kDomain);
  EXPECT_EQ(second.facts.offer, OfferKind::kSessionId);
}

TEST_F(StatefulTickets, ClientCertificateIsKept) {
  TestCa ca = TestCa::root("Client CA");
  const IssuedCertificate certificate = ca.issue({.common_name = "client 7"});
  settings_.client_auth = ClientAuth::kRequired;
  settings_.trust = trust_of(ca.certificate_pem());
  client_.certificate = &certificate;
  const Met first = connect();
  const auto joined = join(first.session.get());
  ASSERT_TRUE(joined->handshake());
  EXPECT_EQ(joined->server().facts().resumption, Resumption::kPsk);
  EXPECT_EQ(joined->server().client_common_name(), "client 7");
}

// The identity is known to be the client's only when its binder has been checked.
TEST_F(StatefulTickets, FailedHandshakeStoresNothing) {
  TestCa ca = TestCa::root("Client CA");
  settings_.client_auth = ClientAuth::kRequired;
  settings_.trust = trust_of(ca.certificate_pem());
  const auto joined = join();
  EXPECT_FALSE(joined->handshake());
  EXPECT_TRUE(sessions_.kept.empty());
}

TEST_F(StatefulTickets, BadRecordRemovesTheTicketThatWasIssued) {
  const auto joined = join();
  ASSERT_TRUE(joined->handshake());
  ASSERT_EQ(sessions_.kept.size(), 1U);
  const std::string record("\x17\x03\x03\0\x20", 5);
  joined->inject(bytes_of(record + std::string(32, 'x')));
  EXPECT_EQ(joined->pump_to_server(), IoOutcome::kFailed);
  EXPECT_TRUE(sessions_.kept.empty());
}

TEST_F(StatefulTickets, ClientsOfTls12HaveTicketsAsBefore) {
  client_.min_version = client_.max_version = TLS1_2_VERSION;
  client_takes_tickets_ = true;
  const Met first = connect();
  EXPECT_TRUE(sessions_.kept.empty());
  EXPECT_EQ(connect(first.session.get()).facts.resumption, Resumption::kTicket);
}

}  // namespace
}  // namespace usher::tls::test
