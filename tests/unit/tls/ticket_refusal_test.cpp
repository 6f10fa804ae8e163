#include "tests/unit/tls/support/ticket_test.h"

// Tickets that must not be used: each ends in a full handshake, one counted outcome and a new
// ticket.
namespace usher::tls::test {
namespace {

constexpr std::size_t kNameSize = keyring::kNameSize;
constexpr std::size_t kIvSize = 16;

class TicketRefusal : public TicketTest {
 protected:
  OfferOutcome refused(SSL_SESSION* session) {
    const Met met = connect(session);
    EXPECT_EQ(met.offer, OfferKind::kTicket);
    EXPECT_EQ(met.issued, 1U) << "a client must get a ticket that works";
    EXPECT_FALSE(met.resumed());
    return met.outcome;
  }
  OfferOutcome refused(SSL_SESSION* session, const std::string& ticket) {
    return refused(with_ticket(session, ticket).get());
  }
  // What the session's ticket becomes under another key name.
  OfferOutcome refused_under(SSL_SESSION* session, const keyring::KeyName& name) {
    return refused(session, std::string(text_of(name)) + ticket_of(session).substr(name.size()));
  }
};
INSTANTIATE_TEST_SUITE_P(Versions, TicketRefusal, both_versions());

TEST_P(TicketRefusal, any_flipped_bit) {
  const Met first = connect();
  const std::string ticket = ticket_of(first.session.get());
  for (std::size_t i = 0; i < ticket.size(); ++i) {
    std::string damaged = ticket;
    damaged[i] = static_cast<char>(damaged[i] ^ (1 << (i % 8)));
    const OfferOutcome outcome = refused(first.session.get(), damaged);
    if (i >= kNameSize) {
      EXPECT_EQ(outcome, OfferOutcome::kBadMac) << i;
    } else if (i >= 4 && i < 8) {  // the epoch, higher or lower
      EXPECT_TRUE(outcome == OfferOutcome::kUnknownFuture || outcome == OfferOutcome::kUnknownPast)
          << i;
    } else {  // fleet tag or salt
      EXPECT_EQ(outcome, OfferOutcome::kUnknownForeign) << i;
    }
  }
  EXPECT_TRUE(connect(first.session.get()).resumed()) << "undamaged it is good";
}

TEST_P(TicketRefusal, any_length_but_its_own) {
  const Met first = connect();
  const std::string ticket = ticket_of(first.session.get());
  for (std::size_t size = 1; size < ticket.size(); ++size) {
    EXPECT_EQ(refused(first.session.get(), ticket.substr(0, size)),
              size < kNameSize + kIvSize ? OfferOutcome::kUnknownForeign : OfferOutcome::kBadMac)
        << size;
  }
  EXPECT_EQ(refused(first.session.get(), ticket + 'x'), OfferOutcome::kBadMac);
  EXPECT_EQ(refused(first.session.get(), ticket + std::string(8000, 'x')), OfferOutcome::kBadMac);
}

// The MAC is right, so the sealer knew our key; but this is no session.
TEST_P(TicketRefusal, sealed_content_that_is_no_session) {
  const Met first = connect();
  for (const std::string& plain :
       {std::string(), std::string("no session"), std::string(5000, '\xff'),
        std::string("\x30\x84\xff\xff\xff\xff", 6)}) {
    EXPECT_EQ(refused(first.session.get(), seal_ticket(plain, current_key())),
              OfferOutcome::kBadMac);
  }
}

TEST_P(TicketRefusal, unknown_names_of_each_kind) {
  const Met first = connect();
  const keyring::KeyRing& ring = keys_->ring();
  const auto name = [&](const keyring::FleetTag& tag, std::uint32_t epoch) {
    return keyring::mask_name({tag, epoch}, {std::byte{5}}, *ring.name_key());
  };
  EXPECT_EQ(refused_under(first.session.get(), name(ring.tag(), 2)), OfferOutcome::kUnknownFuture);
  EXPECT_EQ(refused_under(first.session.get(), name(ring.tag(), 1)), OfferOutcome::kUnknownPast);
  keyring::FleetTag other = ring.tag();
  other[0] ^= std::byte{1};
  EXPECT_EQ(refused_under(first.session.get(), name(other, 1)), OfferOutcome::kUnknownForeign);
}

// Another fleet, another proxy: both its ring's key and its name are strange to us.
TEST_P(TicketRefusal, ticket_of_another_ring) {
  const Met first = connect();
  publish(new_ring());
  EXPECT_EQ(refused(first.session.get()), OfferOutcome::kUnknownForeign);
}

TEST_P(TicketRefusal, domain_absent_shortened_or_other) {
  const std::string other(sizeof(Domain), 'd');
  for (const std::string& domain : {std::string(), std::string("haproxy"), other}) {
    EXPECT_EQ(outcome_of([&](SSL_SESSION* s) {
                SSL_SESSION_set1_id_context(s, uchars(bytes_of(domain)),
                                            static_cast<unsigned>(domain.size()));
              }),
              OfferOutcome::kDomain);
  }
}

TEST_P(TicketRefusal, name_in_the_ticket_counts_in_tls12_only) {
  const auto named = [&](const char* name) {
    return outcome_of([&](SSL_SESSION* s) { SSL_SESSION_set1_hostname(s, name); });
  };
  EXPECT_EQ(named("LOCALHOST"), OfferOutcome::kResumed) << "names have no case (RFC 6066 §3)";
  const OfferOutcome otherwise = tls13() ? OfferOutcome::kResumed : OfferOutcome::kDomain;
  EXPECT_EQ(named("localhost.example"), otherwise);
  EXPECT_EQ(named(nullptr), otherwise);
}

TEST_P(TicketRefusal, session_of_the_other_version) {
  const int other = tls13() ? TLS1_2_VERSION : TLS1_3_VERSION;
  EXPECT_EQ(outcome_of([&](SSL_SESSION* s) { SSL_SESSION_set_protocol_version(s, other); }),
            OfferOutcome::kVersion);
}

class TicketRefusal12 : public TicketRefusal {};
INSTANTIATE_TEST_SUITE_P(Version, TicketRefusal12, testing::Values(TLS1_2_VERSION));

// TLS 1.2 goes on with the session's own suite, which OpenSSL does not check against the server's.
TEST_P(TicketRefusal12, cipher_suite_that_is_no_longer_allowed) {
  client_.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256";
  settings_.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384";
  const Met first = connect();
  settings_.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256";
  rebuild();
  EXPECT_EQ(refused(first.session.get()), OfferOutcome::kCipher);
}

// Without extended master secret (RFC 7627 §5.3) OpenSSL, not we, refuses the session.
TEST_P(TicketRefusal12, openssl_has_the_last_word) {
  const Met first = connect();
  const SslSessionPtr inside = with_field(content(first.session.get()).get(), SessionField::kFlags,
                                          std::string("\x02\x01\x00", 3));
  EXPECT_EQ(refused(first.session.get(), seal_ticket(inside.get(), current_key())),
            OfferOutcome::kOther);
}

class TicketRefusal13 : public TicketRefusal {
 protected:
  Met with_suite(const char* suite, SSL_SESSION* session = nullptr) {
    settings_.ciphersuites = suite;
    rebuild();
    return connect(session);
  }
};
INSTANTIATE_TEST_SUITE_P(Version, TicketRefusal13, testing::Values(TLS1_3_VERSION));

// RFC 8446 §4.6.1: another suite may resume, another hash may not.
TEST_P(TicketRefusal13, cipher_suite_of_another_hash) {
  const Met first = with_suite("TLS_AES_128_GCM_SHA256");
  EXPECT_TRUE(with_suite("TLS_CHACHA20_POLY1305_SHA256", first.session.get()).resumed());
  const Met other = with_suite("TLS_AES_256_GCM_SHA384", first.session.get());
  EXPECT_EQ(other.outcome, OfferOutcome::kCipher);
  EXPECT_EQ(other.issued, 1U);
}

// After HelloRetryRequest the client offers again: still one outcome.
TEST_P(TicketRefusal13, hello_retry_request_asks_twice) {
  client_.groups = "X25519:P-384";
  const Met first = connect();
  settings_.groups = "P-384";
  rebuild();
  EXPECT_TRUE(connect(first.session.get()).resumed());
  std::string damaged = ticket_of(first.session.get());
  damaged.back() ^= 1;
  EXPECT_EQ(refused(first.session.get(), damaged), OfferOutcome::kBadMac);
}

// Whoever has a ticket but not its secret fails (RFC 8446 §4.2.11) and was not resumed.
TEST_P(TicketRefusal13, ticket_without_its_secret) {
  const Met first = connect();
  const Met second = connect();
  const auto stolen = with_ticket(second.session.get(), ticket_of(first.session.get()));
  Joined joined(context_of(settings_), client(stolen.get()), keys_.get());
  EXPECT_FALSE(joined.handshake());
  EXPECT_EQ(joined.server().failure(), TlsFailure::kMalformed);
  EXPECT_EQ(joined.server().facts().offer, OfferKind::kTicket);
  EXPECT_NE(joined.server().facts().outcome, OfferOutcome::kResumed);
}

// A client may offer several: the one in use counts, else the first.
TEST_P(TicketRefusal13, several_identities) {
  const auto offer_also = [](SSL* ssl, const EVP_MD*, const unsigned char** id, std::size_t* size,
                             SSL_SESSION** session) {
    static const std::string stranger(64, 's');
    const unsigned char suite[] = {0x13, 0x01};  // TLS_AES_128_GCM_SHA256
    SslSessionPtr made(SSL_SESSION_new());
    SSL_SESSION_set1_master_key(made.get(), suite, sizeof suite);
    SSL_SESSION_set_cipher(made.get(), SSL_CIPHER_find(ssl, suite));
    SSL_SESSION_set_protocol_version(made.get(), TLS1_3_VERSION);
    *id = uchars(bytes_of(stranger));
    *size = stranger.size();
    *session = made.release();
    return 1;
  };
  const auto outcome_with = [&](SSL_SESSION* session) {
    Joined joined(context_of(settings_), client(session), keys_.get());
    SSL_set_psk_use_session_callback(joined.client(), offer_also);
    EXPECT_TRUE(joined.handshake()) << joined.server().failure_detail();
    return joined.server().facts().outcome;
  };
  const Met first = connect();
  std::string damaged = ticket_of(first.session.get());
  damaged.back() ^= 1;
  EXPECT_EQ(outcome_with(nullptr), OfferOutcome::kUnknownForeign);
  EXPECT_EQ(outcome_with(with_ticket(first.session.get(), damaged).get()), OfferOutcome::kBadMac);
  EXPECT_EQ(outcome_with(first.session.get()), OfferOutcome::kResumed);
}

}  // namespace
}  // namespace usher::tls::test
