#include "proxy/tls/ticket_decoder.h"

#include "tests/unit/tls/support/ticket_test.h"

namespace usher::tls::test {
namespace {

class TicketDecoder : public TicketTest {
 protected:
  DecodedTicket decoded(const std::string& ticket) {
    return decode_ticket(bytes_of(ticket), keys_->ring());
  }
  DecodedTicket decoded(const Met& met) { return decoded(ticket_of(met.session.get())); }

  // The ring with its current key's bytes changed, the name kept.
  keyring::KeyRing with_another_key() {
    keyring::KeyRing::Parts parts = keys_->ring().parts();
    const keyring::TicketKey& old = *parts.entries.front().key;
    auto key = std::make_shared<keyring::TicketKey>();
    key->name = old.name;
    key->epoch = old.epoch;
    std::ranges::fill(key->aes.bytes(), std::byte{7});
    std::ranges::fill(key->hmac.bytes(), std::byte{8});
    parts.entries.front().key = key;
    auto ring = keyring::KeyRing::make(std::move(parts));
    CHECK(ring.has_value());
    return *std::move(ring);
  }
};
INSTANTIATE_TEST_SUITE_P(Versions, TicketDecoder, both_versions());

TEST_P(TicketDecoder, tells_what_a_real_ticket_holds) {
  settings_.alpn = {"h2"};
  client_.alpn = {"h2"};
  settings_.tickets.session_lifetime = 1234s;
  const UnixSeconds before = unix_now();
  const Met met = connect();
  const DecodedTicket ticket = decoded(met);
  ASSERT_EQ(ticket.verdict, TicketVerdict::kOpened);
  EXPECT_EQ(ticket.key_name, current_key().name);
  EXPECT_EQ(ticket.epoch, 1U);
  EXPECT_EQ(ticket.ticket_cipher, "AES-256-CBC");
  ASSERT_TRUE(ticket.session);
  const DecodedSession& session = *ticket.session;
  EXPECT_EQ(session.protocol, tls13() ? "TLSv1.3" : "TLSv1.2");
  EXPECT_EQ(session.cipher, tls13() ? "TLS_AES_128_GCM_SHA256" : "ECDHE-ECDSA-AES128-GCM-SHA256");
  EXPECT_GE(session.time, before);
  EXPECT_LE(session.time, unix_now());
  EXPECT_EQ(session.timeout, 1234s);
  EXPECT_EQ(session.sni, "localhost");
  EXPECT_EQ(session.alpn, "h2");
  EXPECT_EQ(session.lineage_start, session.time);
  const Domain domain =
      resumption_domain(ClientAuth::kOff, settings_.verify_depth, nullptr, "localhost");
  EXPECT_TRUE(std::ranges::equal(session.domain, domain));
  EXPECT_TRUE(session.own_domain.empty());
  EXPECT_EQ(session.client_subject, "");
}

TEST_P(TicketDecoder, tells_lineage_and_session_time_apart) {
  const UnixSeconds start = unix_now() - 5h;
  const Met first = connect();
  const auto old = forged(first.session.get(), [&](SSL_SESSION* s) { set_lineage(s, start); });
  rotate();
  const DecodedTicket renewed = decoded(connect(old.get()));
  ASSERT_TRUE(renewed.session);
  EXPECT_EQ(renewed.session->lineage_start, start);
  EXPECT_GT(renewed.session->time, start);
  EXPECT_EQ(renewed.epoch, 2U);
}

TEST_P(TicketDecoder, client_certificate) {
  TestCa ca = TestCa::root("Client CA");
  const IssuedCertificate certificate = ca.issue({.common_name = "client, 7"});
  settings_.client_auth = ClientAuth::kRequired;
  settings_.trust = trust_of(ca.certificate_pem());
  client_.certificate = &certificate;
  const DecodedTicket ticket = decoded(connect());
  ASSERT_TRUE(ticket.session);
  EXPECT_EQ(ticket.session->client_subject, "CN=client\\, 7");
}

TEST_P(TicketDecoder, without_name_or_protocol) {
  client_.sni = "";
  const DecodedTicket ticket = decoded(connect());
  ASSERT_TRUE(ticket.session);
  EXPECT_EQ(ticket.session->sni, "");
  EXPECT_EQ(ticket.session->alpn, "");
}

TEST_P(TicketDecoder, tickets_of_others_and_for_others) {
  settings_.session_context = *parse_session_context("haproxy");
  const Met ours = connect();
  const DecodedTicket for_haproxy = decoded(ours);
  ASSERT_TRUE(for_haproxy.session);
  EXPECT_EQ(text_of(for_haproxy.session->domain), "haproxy");
  EXPECT_EQ(for_haproxy.session->own_domain.size(), sizeof(Domain));
  const auto foreign = forged(
      ours.session.get(), [](SSL_SESSION* s) { SSL_SESSION_set1_ticket_appdata(s, nullptr, 0); });
  const DecodedTicket of_haproxy = decoded(ticket_of(foreign.get()));
  ASSERT_TRUE(of_haproxy.session);
  EXPECT_FALSE(of_haproxy.session->lineage_start);
  EXPECT_TRUE(of_haproxy.session->own_domain.empty());
}

TEST_P(TicketDecoder, keys_of_48_bytes) {
  auto small = std::make_shared<keyring::TicketKey>();
  small->size = keyring::KeySize::kAes128;
  small->name.fill(std::byte{'n'});
  std::ranges::fill(small->aes.bytes().first(16), std::byte{1});
  std::ranges::fill(small->hmac.bytes().first(16), std::byte{2});
  small->created = BootClock::now();
  const auto ring = keyring::KeyRing::make({{1, 1}, {{small, keyring::KeyState::kCurrent}}, {}});
  ASSERT_TRUE(ring);
  publish(*ring);
  const DecodedTicket ticket = decoded(connect());
  EXPECT_EQ(ticket.verdict, TicketVerdict::kOpened);
  EXPECT_EQ(ticket.ticket_cipher, "AES-128-CBC");
  EXPECT_FALSE(ticket.epoch) << "no name key";
}

TEST_P(TicketDecoder, expired_keys_open_too) {
  const Met met = connect();
  publish(keyring::with_policy(keys_->ring(), {0ms, 0ms}));
  EXPECT_FALSE(connect(met.session.get()).resumed());
  EXPECT_EQ(decoded(met).verdict, TicketVerdict::kOpened);
}

TEST_P(TicketDecoder, unknown_names_of_each_kind) {
  const Met met = connect();
  const std::string rest = ticket_of(met.session.get()).substr(keyring::kNameSize);
  const keyring::KeyRing& ring = keys_->ring();
  const auto unknown = [&](const keyring::FleetTag& tag, std::uint32_t epoch) {
    const auto name = keyring::mask_name({tag, epoch}, {std::byte{5}}, *ring.name_key());
    const DecodedTicket ticket = decoded(std::string(text_of(name)) + rest);
    EXPECT_EQ(ticket.verdict, TicketVerdict::kUnknownKey);
    EXPECT_EQ(ticket.key_name, name);
    EXPECT_FALSE(ticket.session);
    return std::pair(ticket.unknown, ticket.epoch);
  };
  using keyring::UnknownName;
  keyring::FleetTag other = ring.tag();
  other[0] ^= std::byte{1};
  EXPECT_EQ(unknown(ring.tag(), 2), std::pair(UnknownName::kFuture, std::optional(2U)));
  EXPECT_EQ(unknown(ring.tag(), 1), std::pair(UnknownName::kPast, std::optional(1U)));
  EXPECT_EQ(unknown(other, 1),
            std::pair(UnknownName::kForeign, std::optional<std::uint32_t>(std::nullopt)));
  const DecodedTicket nothing = decode_ticket(bytes_of(ticket_of(met.session.get())), {});
  EXPECT_EQ(nothing.verdict, TicketVerdict::kUnknownKey);
  EXPECT_EQ(nothing.unknown, UnknownName::kForeign);
}

TEST_P(TicketDecoder, another_key_of_that_name) {
  const Met met = connect();
  const DecodedTicket ticket =
      decode_ticket(bytes_of(ticket_of(met.session.get())), with_another_key());
  EXPECT_EQ(ticket.verdict, TicketVerdict::kBadMac);
  EXPECT_EQ(ticket.ticket_cipher, "AES-256-CBC");
  EXPECT_FALSE(ticket.session);
}

TEST_P(TicketDecoder, any_flipped_bit) {
  const std::string good = ticket_of(connect().session.get());
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ (1 << (i % 8)));
    EXPECT_EQ(decoded(bad).verdict,
              i < keyring::kNameSize ? TicketVerdict::kUnknownKey : TicketVerdict::kBadMac)
        << i;
  }
}

TEST_P(TicketDecoder, any_length_but_its_own) {
  const std::string good = ticket_of(connect().session.get());
  for (std::size_t size = 0; size < good.size(); ++size) {
    const bool whole_blocks = size >= 80 && size % 16 == 0;
    EXPECT_EQ(decoded(good.substr(0, size)).verdict,
              whole_blocks ? TicketVerdict::kBadMac : TicketVerdict::kTooShort)
        << size;
  }
  EXPECT_EQ(decoded(good + 'x').verdict, TicketVerdict::kTooShort);
  EXPECT_EQ(decoded(good + std::string(16, 'x')).verdict, TicketVerdict::kBadMac);
}

// Sealed under the right key: what is inside decides.
TEST_P(TicketDecoder, content_that_is_no_session) {
  const SslSessionPtr inside = content(connect().session.get());
  const std::string der = der_of(inside.get());
  EXPECT_EQ(decoded(seal_ticket(der, current_key())).verdict, TicketVerdict::kOpened);
  for (const std::string& plain :
       {std::string(), std::string("no session"), std::string(5000, '\xff'), der + "x",
        der.substr(0, der.size() - 1), std::string("\x30\x84\xff\xff\xff\xff", 6)}) {
    const DecodedTicket ticket = decoded(seal_ticket(plain, current_key()));
    EXPECT_EQ(ticket.verdict, TicketVerdict::kNoSession);
    EXPECT_FALSE(ticket.session);
  }
}

TEST_P(TicketDecoder, times_beyond_any_clock) {
  const SslSessionPtr inside = content(connect().session.get());
  SSL_SESSION_set_time(inside.get(), std::numeric_limits<long>::max() / 2);
  SSL_SESSION_set_timeout(inside.get(), std::numeric_limits<long>::max() / 2);
  const DecodedTicket ticket = decoded(seal_ticket(inside.get(), current_key()));
  ASSERT_TRUE(ticket.session);
  EXPECT_EQ(ticket.session->time, keyring::kUnixTimeMax);
  EXPECT_EQ(ticket.session->timeout, keyring::kUnixTimeMax.time_since_epoch());
}

}  // namespace
}  // namespace usher::tls::test
