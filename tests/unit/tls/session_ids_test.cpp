// TLS 1.2 sessions by id: who gets one, who is looked up and when, and what may be resumed.
#include "tests/unit/tls/support/session_test.h"

namespace usher::tls::test {
namespace {

using Result = SessionCache::Result;
using Use = SessionCache::Use;

class SessionIds : public SessionTest {
 protected:
  SessionIds() : SessionTest(TLS1_2_VERSION) {}

  OfferOutcome outcome_of(SSL_SESSION* session) {
    const Met met = connect(session);
    EXPECT_EQ(met.facts.offer, OfferKind::kSessionId);
    return met.facts.outcome;
  }
};

TEST_F(SessionIds, ClientWithoutTicketsResumesByItsId) {
  const Met first = connect();
  EXPECT_EQ(first.facts.offer, OfferKind::kNone);
  ASSERT_EQ(sessions_.kept.size(), 1U);
  EXPECT_EQ(id_of(first.session.get()), sessions_.kept.begin()->first);
  EXPECT_EQ(sessions_.kept.begin()->second.use, Use::kShared);
  EXPECT_LE(sessions_.kept.begin()->second.lifetime, 6h);
  EXPECT_GT(sessions_.kept.begin()->second.lifetime, 6h - 5s);
  for (int i = 0; i < 2; ++i) {
    const Met again = connect(first.session.get());
    EXPECT_EQ(again.facts.resumption, Resumption::kSessionId);
    EXPECT_EQ(again.facts.outcome, OfferOutcome::kResumed);
    EXPECT_EQ(again.facts.tickets_issued, 0U);
    EXPECT_EQ(id_of(again.session.get()), id_of(first.session.get()));
  }
  EXPECT_EQ(sessions_.kept.size(), 1U);
  EXPECT_EQ(sessions_.asked.size(), 2U);
}

TEST_F(SessionIds, ClientWithTicketsGetsATicketAndIsNotLookedUp) {
  client_takes_tickets_ = true;
  const Met first = connect();
  EXPECT_TRUE(sessions_.kept.empty());
  const Met again = connect(first.session.get());
  EXPECT_EQ(again.facts.resumption, Resumption::kTicket);
  rings_.publish(new_ring());
  EXPECT_EQ(connect(first.session.get()).facts.outcome, OfferOutcome::kUnknownForeign);
  EXPECT_TRUE(sessions_.asked.empty());
  EXPECT_TRUE(sessions_.kept.empty());
}

TEST_F(SessionIds, WithoutTicketsAllClientsGetIds) {
  settings_.tickets.enabled = false;
  client_takes_tickets_ = true;
  const Met first = connect();
  EXPECT_EQ(sessions_.kept.size(), 1U);
  EXPECT_EQ(connect(first.session.get()).facts.resumption, Resumption::kSessionId);
}

// It once had no ticket support: the id is resumed, and a ticket given besides.
TEST_F(SessionIds, IdBesideAnEmptyTicketResumesAndATicketFollows) {
  const Met first = connect();
  client_takes_tickets_ = true;
  const Met second = connect(first.session.get());
  EXPECT_EQ(second.facts.resumption, Resumption::kSessionId);
  EXPECT_EQ(second.facts.tickets_issued, 1U);
  EXPECT_EQ(connect(second.session.get()).facts.resumption, Resumption::kTicket);
}

TEST_F(SessionIds, WithoutACacheNothingIsKept) {
  settings_.tickets.session_ids = false;
  const Met first = connect();
  EXPECT_EQ(id_of(first.session.get()), "");
  EXPECT_TRUE(sessions_.kept.empty());
}

TEST_F(SessionIds, WithoutAKeyIdsAreRandomAndNothingIsKept) {
  sessions_.makes_ids = false;
  const Met first = connect();
  EXPECT_EQ(id_of(first.session.get()).size(), kSessionIdSize);
  EXPECT_TRUE(sessions_.kept.empty());
  EXPECT_EQ(outcome_of(first.session.get()), OfferOutcome::kForeign);
}

TEST_F(SessionIds, ForeignIdsAreNotLookedUp) {
  const Met first = connect();
  for (const std::size_t size : {std::size_t{1}, kSessionIdSize}) {
    const std::string id(size, 'x');
    ASSERT_EQ(
        SSL_SESSION_set1_id(first.session.get(), uchars(bytes_of(id)), static_cast<unsigned>(size)),
        1);
    EXPECT_EQ(outcome_of(first.session.get()), OfferOutcome::kForeign);
  }
  EXPECT_TRUE(sessions_.asked.empty());
}

// In TLS 1.3 the id is for middleboxes (RFC 8446 §4.1.2).
TEST_F(SessionIds, CompatibilityIdOfTls13IsNoOffer) {
  const Met first = connect();
  client_.max_version = TLS1_3_VERSION;
  EXPECT_EQ(connect(first.session.get()).facts.offer, OfferKind::kNone);
  EXPECT_TRUE(sessions_.asked.empty());
}

TEST_F(SessionIds, ClientOfTls13ThatGetsTls12OffersOnlyIdsOfOurs) {
  settings_.max_version = TLS1_2_VERSION;
  const Met first = connect();
  client_.max_version = TLS1_3_VERSION;
  EXPECT_EQ(connect().facts.offer, OfferKind::kNone);  // its random id
  const Met again = connect(first.session.get());
  EXPECT_EQ(again.facts.resumption, Resumption::kSessionId);
  EXPECT_EQ(sessions_.asked.size(), 1U);
}

class SuspendedHello : public SessionIds, public testing::WithParamInterface<std::size_t> {};

INSTANTIATE_TEST_SUITE_P(Quotas, SuspendedHello, testing::Values(1, 7, Joined::kNoQuota));

TEST_P(SuspendedHello, GoesOnWithWhatWasFound) {
  const Met first = connect();
  sessions_.answers_later = true;
  const auto joined = join(first.session.get(), GetParam());
  EXPECT_FALSE(joined->handshake());
  EXPECT_TRUE(joined->server().suspended());
  EXPECT_EQ(joined->server_outcome(), IoOutcome::kBlocked);
  EXPECT_TRUE(joined->server_output().empty());
  EXPECT_FALSE(joined->handshake());  // too early: still suspended, still one question
  ASSERT_TRUE(sessions_.waits());
  EXPECT_EQ(joined->resumable(), 0);
  sessions_.answer();
  EXPECT_EQ(joined->resumable(), 1);
  EXPECT_FALSE(joined->server().suspended());
  EXPECT_EQ(end_of(*joined).facts.resumption, Resumption::kSessionId);
  EXPECT_EQ(sessions_.asked.size(), 1U);
  EXPECT_EQ(sessions_.cancelled, 0);
}

TEST_P(SuspendedHello, GoesOnWithoutASession) {
  const Met first = connect();
  sessions_.answers_later = true;
  const std::pair<Result, OfferOutcome> ends[] = {{Result::kMiss, OfferOutcome::kNotFound},
                                                  {Result::kTimeout, OfferOutcome::kTimeout},
                                                  {Result::kError, OfferOutcome::kOther},
                                                  {Result::kForeign, OfferOutcome::kForeign}};
  for (const auto& [result, outcome] : ends) {
    const auto joined = join(first.session.get(), GetParam());
    EXPECT_FALSE(joined->handshake());
    sessions_.answer_as(result);
    const Met met = end_of(*joined);
    EXPECT_EQ(met.facts.outcome, outcome);
    EXPECT_EQ(met.facts.offer, OfferKind::kSessionId);
    EXPECT_EQ(met.facts.resumption, Resumption::kNone);
  }
  EXPECT_EQ(sessions_.kept.size(), 1U + std::size(ends));  // each began a session of its own
}

TEST_F(SessionIds, EndedConnectionCancelsItsLookUp) {
  const Met first = connect();
  sessions_.answers_later = true;
  auto joined = join(first.session.get());
  EXPECT_FALSE(joined->handshake());
  joined->server().cancel_lookup();
  EXPECT_EQ(sessions_.cancelled, 1);
  EXPECT_FALSE(joined->server().suspended());
  joined = join(first.session.get());
  EXPECT_FALSE(joined->handshake());
  joined.reset();
  EXPECT_EQ(sessions_.cancelled, 2);
}

TEST_F(SessionIds, SessionOfAnotherDomainIsNotResumed) {
  const Met first = connect();
  settings_.client_auth = ClientAuth::kOptional;
  TestCa ca = TestCa::root("Client CA");
  settings_.trust = trust_of(ca.certificate_pem());
  EXPECT_EQ(outcome_of(first.session.get()), OfferOutcome::kDomain);
}

// RFC 6066 §3.
TEST_F(SessionIds, SessionOfAnotherNameIsNotResumed) {
  settings_.credentials = {credential_of(
      TestCa::root("Test CA").issue({.common_name = "*.wild.example"}), {"*.wild.example"})};
  client_.sni = "a.wild.example";
  const Met first = connect();
  EXPECT_TRUE(connect(first.session.get()).reused);
  client_.sni = "b.wild.example";
  EXPECT_EQ(outcome_of(first.session.get()), OfferOutcome::kDomain);
}

TEST_F(SessionIds, EndedSessionIsNotResumed) {
  const Met first = connect();
  sessions_.change_kept([](SSL_SESSION* session) {
    SSL_SESSION_set_time(session, SSL_SESSION_get_time(session) - 7 * 3600);
  });
  EXPECT_EQ(outcome_of(first.session.get()), OfferOutcome::kExpired);
}

TEST_F(SessionIds, LineageEnds) {
  settings_.tickets.session_lifetime = 48h;
  const Met first = connect();
  EXPECT_LE(sessions_.kept.begin()->second.lifetime, 24h);
  sessions_.change_kept([](SSL_SESSION* session) { set_lineage(session, unix_now() - 24h); });
  EXPECT_EQ(outcome_of(first.session.get()), OfferOutcome::kLineage);
}

TEST_F(SessionIds, RevocationEndsLineages) {
  const Met first = connect();
  rings_.publish(new_ring(unix_now() + 1s));
  EXPECT_EQ(outcome_of(first.session.get()), OfferOutcome::kLineage);
}

TEST_F(SessionIds, SuiteThatIsNoLongerAllowedIsNotResumed) {
  settings_.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384";
  const Met first = connect();
  settings_.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384";
  EXPECT_EQ(outcome_of(first.session.get()), OfferOutcome::kCipher);
}

TEST_F(SessionIds, ClientCertificateIsKept) {
  TestCa ca = TestCa::root("Client CA");
  const IssuedCertificate certificate = ca.issue({.common_name = "client 7"});
  settings_.client_auth = ClientAuth::kRequired;
  settings_.trust = trust_of(ca.certificate_pem());
  client_.certificate = &certificate;
  const Met first = connect();
  ASSERT_TRUE(first.done);
  const auto joined = join(first.session.get());
  ASSERT_TRUE(joined->handshake());
  EXPECT_EQ(joined->server().facts().resumption, Resumption::kSessionId);
  EXPECT_TRUE(joined->server().facts().client_cert_verified);
  EXPECT_EQ(joined->server().client_common_name(), "client 7");
}

TEST_F(SessionIds, FailedHandshakeStoresNothing) {
  TestCa ca = TestCa::root("Client CA");
  settings_.client_auth = ClientAuth::kRequired;
  settings_.trust = trust_of(ca.certificate_pem());
  const auto joined = join();
  EXPECT_FALSE(joined->handshake());
  EXPECT_EQ(joined->server().failure(), TlsFailure::kClientCertMissing);
  EXPECT_TRUE(sessions_.kept.empty());
}

TEST_F(SessionIds, WhatIsNoSessionIsNotUsed) {
  const Met first = connect();
  const std::string der = sessions_.kept.begin()->second.der;
  for (const std::string& bad : {std::string("x"), der.substr(0, der.size() - 1), der + "x"}) {
    sessions_.kept.at(id_of(first.session.get())).der = bad;
    EXPECT_EQ(outcome_of(first.session.get()), OfferOutcome::kNotFound);
  }
  // Another's session under this id.
  const Met other = connect();
  sessions_.kept.at(id_of(first.session.get())).der =
      sessions_.kept.at(id_of(other.session.get())).der;
  EXPECT_EQ(outcome_of(first.session.get()), OfferOutcome::kNotFound);
}

class Removal : public SessionIds {
 protected:
  // Bytes that no key of the connection made.
  static void end_with_a_bad_record(Joined& joined) {
    const std::string record("\x17\x03\x03\0\x20", 5);
    joined.inject(bytes_of(record + std::string(32, 'x')));
    EXPECT_EQ(joined.pump_to_server(), IoOutcome::kFailed);
  }
};

TEST_F(Removal, BadRecordAfterTheHandshakeRemoves) {
  const auto first = join();
  ASSERT_TRUE(first->handshake());
  const SslSessionPtr session = first->session();
  end_with_a_bad_record(*first);
  EXPECT_EQ(sessions_.removed, std::vector{id_of(session.get())});
  EXPECT_EQ(outcome_of(session.get()), OfferOutcome::kNotFound);
}

TEST_F(Removal, BadRecordAfterAResumptionRemoves) {
  const Met first = connect();
  const auto again = join(first.session.get());
  ASSERT_TRUE(again->handshake());
  end_with_a_bad_record(*again);
  EXPECT_EQ(sessions_.removed.size(), 1U);
}

TEST_F(Removal, AlertInsideTheHandshakeRemovesNothing) {
  const Met first = connect();
  const auto again = join(first.session.get());
  // The hello, then an alert in place of the client's Finished.
  SSL_do_handshake(again->client());
  char* hello = nullptr;
  const long size = BIO_get_mem_data(SSL_get_wbio(again->client()), &hello);
  ByteQueue output;
  again->server().attach(std::as_bytes(std::span(hello, static_cast<std::size_t>(size))), output);
  EXPECT_EQ(again->server().handshake(), IoOutcome::kBlocked);
  EXPECT_EQ(sessions_.asked.size(), 1U);
  const std::string alert("\x15\x03\x03\0\x02\x02\x28", 7);
  again->server().attach(bytes_of(alert), output);
  EXPECT_EQ(again->server().handshake(), IoOutcome::kFailed);
  EXPECT_EQ(again->server().failure(), TlsFailure::kAlertReceived);
  EXPECT_TRUE(sessions_.removed.empty());
  EXPECT_TRUE(connect(first.session.get()).reused);
}

TEST_F(Removal, OrdinaryEndsRemoveNothing) {
  const Met first = connect();  // and cut off without close_notify
  const auto again = join(first.session.get());
  ASSERT_TRUE(again->handshake());
  SSL_shutdown(again->client());
  EXPECT_EQ(again->pump_to_server(), IoOutcome::kPeerEnded);
  EXPECT_TRUE(sessions_.removed.empty());
}

// Beside a ticket the id is the client's to choose: it may be another client's.
TEST_F(Removal, TicketHolderCannotRemoveTheSessionOfAnotherId) {
  const Met victim = connect();
  client_takes_tickets_ = true;
  const Met stranger = connect();
  const std::string id = id_of(victim.session.get());
  ASSERT_EQ(SSL_SESSION_set1_id(stranger.session.get(), uchars(bytes_of(id)),
                                static_cast<unsigned>(id.size())),
            1);
  const auto again = join(stranger.session.get());
  ASSERT_TRUE(again->handshake());
  EXPECT_EQ(again->server().facts().resumption, Resumption::kTicket);
  end_with_a_bad_record(*again);
  EXPECT_TRUE(sessions_.removed.empty());
  client_takes_tickets_ = false;
  EXPECT_TRUE(connect(victim.session.get()).reused);
}

}  // namespace
}  // namespace usher::tls::test
