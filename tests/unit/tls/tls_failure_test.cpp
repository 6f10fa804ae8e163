#include <gtest/gtest.h>

#include "tests/unit/tls/support/joined.h"

// What clients do wrong in the handshake, each ending in its own reason and alert.
namespace usher::tls::test {
namespace {

// Bytes of no client at all.
TlsFailure failure_after(std::string_view bytes, std::string* detail = nullptr) {
  Joined joined(context_of(simple_listener()), {});
  joined.inject(bytes_of(bytes));
  ByteQueue output;
  joined.server().attach(bytes_of(bytes), output);
  EXPECT_EQ(joined.server().handshake(), IoOutcome::kFailed);
  EXPECT_EQ(joined.server().handshake(), IoOutcome::kFailed);
  if (detail != nullptr) {
    *detail = joined.server().failure_detail();
  }
  return joined.server().failure();
}

TEST(HandshakeFailure, other_protocols_are_not_tls) {
  std::string detail;
  EXPECT_EQ(failure_after("GET / HTTP/1.1\r\nHost: a\r\n\r\n", &detail), TlsFailure::kNotTls);
  EXPECT_EQ(detail, "http request");
  EXPECT_EQ(failure_after("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), TlsFailure::kNotTls);
  EXPECT_EQ(failure_after("PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n"), TlsFailure::kNotTls);
  EXPECT_EQ(failure_after(std::string(64, '\0')), TlsFailure::kNotTls);
  EXPECT_EQ(failure_after(std::string(64, '\xff')), TlsFailure::kNotTls);
}

std::string first_flight(const ClientOptions& options) {
  Joined joined(context_of(simple_listener()), options);
  SSL_do_handshake(joined.client());
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(SSL_get_wbio(joined.client()), &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

// Every byte of the hello's message in a record of its own.
std::string in_one_byte_records(std::string_view record) {
  std::string records;
  for (const char byte : record.substr(5)) {
    records += std::string_view("\x16\x03\x01\x00\x01", 5);
    records += byte;
  }
  return records;
}

TEST(HandshakeFailure, hello_in_one_byte_records_is_fine) {
  const std::string records = in_one_byte_records(first_flight({.sni = "localhost"}));
  Joined joined(context_of(simple_listener()), {});
  ByteQueue output;
  joined.server().attach(bytes_of(records), output);
  EXPECT_EQ(joined.server().handshake(), IoOutcome::kBlocked);
  EXPECT_EQ(joined.server().facts().sni, "localhost");
  EXPECT_FALSE(output.empty());
}

TEST(HandshakeFailure, endless_hello_is_bounded) {
  // A handshake message that says 130,000 bytes: OpenSSL would wait for all of them.
  std::string hello("\x16\x03\x01\x40\x00\x01\x01\xfb\xd0", 9);
  hello += std::string(0x4000 - 4, 'x');
  for (int i = 0; i < 8; ++i) {
    hello += std::string_view("\x16\x03\x01\x40\x00", 5);
    hello += std::string(0x4000, 'x');
  }
  EXPECT_EQ(failure_after(hello), TlsFailure::kHelloTooLarge);
  std::string detail;
  EXPECT_EQ(
      failure_after(std::string_view("\x16\x03\x01\x00\x05\x01\xff\xff\xff\x00", 10), &detail),
      TlsFailure::kHelloTooLarge);
  EXPECT_EQ(detail, "excessive message size");
}

TEST(HandshakeFailure, malformed_sni_is_a_decode_error) {
  std::string hello = first_flight({.sni = "localhost"});
  const std::size_t at = hello.find("localhost");
  ASSERT_NE(at, std::string::npos);
  hello[at + 3] = '\0';
  std::string detail;
  EXPECT_EQ(failure_after(hello, &detail), TlsFailure::kMalformed);
  EXPECT_EQ(detail, "bad extension");  // not that some callback of ours failed
}

TEST(HandshakeFailure, cut_and_flipped_hellos_never_succeed_silently) {
  const std::string hello = first_flight({.sni = "localhost"});
  for (std::size_t at = 5; at < hello.size(); ++at) {
    std::string flipped = hello;
    flipped[at] = static_cast<char>(~flipped[at]);
    Joined joined(context_of(simple_listener()), {});
    ByteQueue output;
    joined.server().attach(bytes_of(flipped), output);
    const IoOutcome outcome = joined.server().handshake();
    EXPECT_FALSE(joined.server().handshake_done());
    EXPECT_EQ(outcome == IoOutcome::kFailed, joined.server().failure() != TlsFailure::kNone);
  }
}

struct Refusal {
  TlsFailure failure = TlsFailure::kNone;
  std::optional<int> alert;
  bool operator==(const Refusal&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Refusal& refusal) {
  return out << name_of(refusal.failure) << " alert " << refusal.alert.value_or(-1);
}

Refusal refusal_of(const ListenerTls& settings, const ClientOptions& options) {
  Joined joined(context_of(settings), options);
  EXPECT_FALSE(joined.handshake());
  return {joined.server().failure(), joined.client_alert()};
}

TEST(HandshakeFailure, old_versions_get_the_right_alert) {
  for (const int version : {TLS1_VERSION, TLS1_1_VERSION}) {
    EXPECT_EQ(refusal_of(simple_listener(), {.min_version = version, .max_version = version}),
              (Refusal{TlsFailure::kVersion, SSL_AD_PROTOCOL_VERSION}));
  }
  ListenerTls only12 = simple_listener();
  only12.max_version = TLS1_2_VERSION;
  EXPECT_EQ(refusal_of(only12, {.min_version = TLS1_3_VERSION}),
            (Refusal{TlsFailure::kVersion, SSL_AD_PROTOCOL_VERSION}));
}

TEST(HandshakeFailure, nothing_in_common) {
  EXPECT_EQ(refusal_of(simple_listener(), {.max_version = TLS1_2_VERSION, .ciphers = "AES128-SHA"}),
            (Refusal{TlsFailure::kNoSharedCipher, SSL_AD_HANDSHAKE_FAILURE}));
  EXPECT_EQ(refusal_of(simple_listener(),
                       {.min_version = TLS1_3_VERSION, .ciphersuites = "TLS_AES_128_CCM_SHA256"}),
            (Refusal{TlsFailure::kNoSharedCipher, SSL_AD_HANDSHAKE_FAILURE}));
  EXPECT_EQ(refusal_of(simple_listener(), {.min_version = TLS1_3_VERSION, .groups = "X448"}),
            (Refusal{TlsFailure::kNoSharedCipher, SSL_AD_HANDSHAKE_FAILURE}));
  EXPECT_EQ(refusal_of(simple_listener(), {.min_version = TLS1_3_VERSION, .sigalgs = "ed25519"}),
            (Refusal{TlsFailure::kNoSharedCipher, SSL_AD_HANDSHAKE_FAILURE}));
}

TEST(HandshakeFailure, alpn_without_overlap_is_fatal_only_when_both_have_lists) {
  ListenerTls settings = simple_listener();
  settings.alpn = {"http/1.1"};
  EXPECT_EQ(refusal_of(settings, {.alpn = {"h2", "http/1.0"}}),
            (Refusal{TlsFailure::kAlpn, SSL_AD_NO_APPLICATION_PROTOCOL}));
  Joined silent_client(context_of(settings), {});
  EXPECT_TRUE(silent_client.handshake());
  Joined silent_server(context_of(simple_listener()), {.alpn = {"h2"}});
  EXPECT_TRUE(silent_server.handshake());
  EXPECT_EQ(silent_server.server().facts().alpn, "");
}

TEST(HandshakeFailure, alpn_follows_the_servers_order) {
  ListenerTls settings = simple_listener();
  settings.alpn = {"h2", "http/1.1"};
  Joined joined(context_of(settings), {.alpn = {"http/1.1", "h2"}});
  ASSERT_TRUE(joined.handshake());
  EXPECT_EQ(joined.server().facts().alpn, "h2");
}

TEST(HandshakeFailure, alert_of_the_client_is_told) {
  Joined joined(context_of(simple_listener()), {.max_version = TLS1_2_VERSION});
  SSL_set_verify(joined.client(), SSL_VERIFY_PEER, nullptr);  // it trusts nobody
  EXPECT_FALSE(joined.handshake());
  // The client's alert still waits in its output.
  EXPECT_EQ(joined.pump_to_server(), IoOutcome::kFailed);
  EXPECT_EQ(joined.server().failure(), TlsFailure::kAlertReceived);
  EXPECT_NE(joined.server().failure_detail().find("alert unknown ca"), std::string::npos);
}

class ClientCertificate : public testing::TestWithParam<int> {
 protected:
  ClientCertificate() {
    settings_.client_auth = ClientAuth::kRequired;
    settings_.trust = trust_of(ca_.certificate_pem());
  }

  Refusal refusal(const IssuedCertificate& certificate) {
    return refusal_of(
        settings_,
        {.min_version = GetParam(), .max_version = GetParam(), .certificate = &certificate});
  }

  TestCa ca_ = TestCa::root("Client CA");
  ListenerTls settings_ = simple_listener();
};

INSTANTIATE_TEST_SUITE_P(Versions, ClientCertificate,
                         testing::Values(TLS1_2_VERSION, TLS1_3_VERSION));

TEST_P(ClientCertificate, unknown_ca) {
  const auto stranger = TestCa::root("Stranger").issue({});
  EXPECT_EQ(refusal(stranger), (Refusal{TlsFailure::kClientCertUnknownCa, SSL_AD_UNKNOWN_CA}));
}

TEST_P(ClientCertificate, expired_or_not_yet_valid) {
  const UnixSeconds now = unix_now();
  const auto expired = ca_.issue(
      {.not_before = now - std::chrono::hours(2), .not_after = now - std::chrono::hours(1)});
  EXPECT_EQ(refusal(expired),
            (Refusal{TlsFailure::kClientCertExpired, SSL_AD_CERTIFICATE_EXPIRED}));
  const auto future = ca_.issue({.not_before = now + std::chrono::hours(1)});
  EXPECT_EQ(refusal(future), (Refusal{TlsFailure::kClientCertExpired, SSL_AD_BAD_CERTIFICATE}));
}

TEST_P(ClientCertificate, revoked) {
  const auto revoked = ca_.issue({});
  const auto good = ca_.issue({});
  settings_.trust = trust_of(ca_.certificate_pem(), ca_.crl_pem({revoked.serial}));
  EXPECT_EQ(refusal(revoked),
            (Refusal{TlsFailure::kClientCertRevoked, SSL_AD_CERTIFICATE_REVOKED}));
  Joined joined(context_of(settings_), {.max_version = GetParam(), .certificate = &good});
  EXPECT_TRUE(joined.handshake());
}

TEST_P(ClientCertificate, revoked_intermediate_and_missing_list) {
  TestCa middle = ca_.intermediate("Middle");
  auto leaf = middle.issue({});
  const std::string both = ca_.certificate_pem() + middle.certificate_pem();
  settings_.trust = trust_of(both, ca_.crl_pem({middle.serial()}) + middle.crl_pem({}));
  EXPECT_EQ(refusal(leaf), (Refusal{TlsFailure::kClientCertRevoked, SSL_AD_CERTIFICATE_REVOKED}));
  settings_.trust = trust_of(both, ca_.crl_pem({}));  // none of the intermediate
  EXPECT_EQ(refusal(leaf).failure, TlsFailure::kClientCertInvalid);
  settings_.trust = trust_of(both, ca_.crl_pem({}) + middle.crl_pem({}, true));  // outdated
  EXPECT_EQ(refusal(leaf).failure, TlsFailure::kClientCertInvalid);
}

TEST_P(ClientCertificate, chain_deeper_than_allowed) {
  TestCa first = ca_.intermediate("First");
  TestCa second = first.intermediate("Second");
  const auto leaf = second.issue({});
  settings_.trust =
      trust_of(ca_.certificate_pem() + first.certificate_pem() + second.certificate_pem());
  settings_.verify_depth = 2;  // intermediates allowed
  Joined joined(context_of(settings_), {.max_version = GetParam(), .certificate = &leaf});
  EXPECT_TRUE(joined.handshake());
  settings_.verify_depth = 1;
  EXPECT_EQ(refusal(leaf).failure, TlsFailure::kClientCertInvalid);
}

TEST_P(ClientCertificate, optional_takes_none_but_no_bad_one) {
  settings_.client_auth = ClientAuth::kOptional;
  Joined none(context_of(settings_), {.max_version = GetParam()});
  ASSERT_TRUE(none.handshake());
  EXPECT_FALSE(none.server().facts().client_cert);
  EXPECT_FALSE(none.server().facts().client_cert_verified);
  const auto stranger = TestCa::root("Stranger").issue({});
  EXPECT_EQ(refusal(stranger), (Refusal{TlsFailure::kClientCertUnknownCa, SSL_AD_UNKNOWN_CA}));
  const auto good = ca_.issue({.common_name = "good"});
  Joined joined(context_of(settings_), {.max_version = GetParam(), .certificate = &good});
  ASSERT_TRUE(joined.handshake());
  EXPECT_TRUE(joined.server().facts().client_cert_verified);
  EXPECT_EQ(joined.server().verify_result(), X509_V_OK);
}

}  // namespace
}  // namespace usher::tls::test
