#include "proxy/tls/server_context.h"

#include <gtest/gtest.h>

#include "tests/unit/tls/support/joined.h"

namespace usher::tls::test {
namespace {

// The certificate that a client with this name got, by its CN.
std::string served(const std::shared_ptr<const ServerContext>& context,
                   const ClientOptions& options) {
  Joined joined(context, options);
  if (!joined.handshake()) {
    return "failed: " + joined.server().failure_detail();
  }
  char name[64] = {};
  X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(joined.client())),
                            NID_commonName, name, sizeof name);
  return name;
}

class ServerContextTest : public testing::Test {
 protected:
  CredentialPtr credential(const std::string& common_name, std::vector<std::string> names,
                           KeyType type = KeyType::kEcdsa) {
    return credential_of(ca_.issue({.common_name = common_name, .key_type = type}), names);
  }

  TestCa ca_ = TestCa::root("Test CA");
};

TEST_F(ServerContextTest, exact_before_wildcard_before_default) {
  ListenerTls settings;
  settings.credentials = {credential("default", {"first.example"}),
                          credential("wild", {"*.example"}),
                          credential("exact", {"www.example", "*.deep.example"})};
  const auto context = context_of(settings);
  EXPECT_EQ(served(context, {.sni = "www.example"}), "exact");
  EXPECT_EQ(served(context, {.sni = "WWW.EXAMPLE"}), "exact");
  EXPECT_EQ(served(context, {.sni = "other.example"}), "wild");
  EXPECT_EQ(served(context, {.sni = "a.deep.example"}), "exact");
  EXPECT_EQ(served(context, {.sni = "a.b.example"}), "default");  // "*" is one label
  EXPECT_EQ(served(context, {.sni = "example"}), "default");
  EXPECT_EQ(served(context, {.sni = ".example"}), "default");
  EXPECT_EQ(served(context, {}), "default");
}

TEST_F(ServerContextTest, rsa_and_ecdsa_stand_side_by_side) {
  ListenerTls settings;
  settings.credentials = {credential("ecdsa", {"a.example"}),
                          credential("rsa", {"a.example", "b.example"}, KeyType::kRsa2048)};
  const auto context = context_of(settings);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const ClientOptions modern{.min_version = version, .max_version = version, .sni = "a.example"};
    ClientOptions rsa_only = modern;
    rsa_only.sigalgs = "RSA-PSS+SHA256:RSA+SHA256";
    EXPECT_EQ(served(context, modern), "ecdsa");
    EXPECT_EQ(served(context, rsa_only), "rsa");
    rsa_only.sni = "";  // the default: every entry with the first one's first name
    EXPECT_EQ(served(context, rsa_only), "rsa");
    ClientOptions other = modern;
    other.sni = "b.example";
    EXPECT_EQ(served(context, other), "rsa");
  }
}

TEST_F(ServerContextTest, two_of_a_type_for_one_name_are_refused) {
  ListenerTls settings;
  settings.credentials = {credential("one", {"a.example"}), credential("two", {"a.example"})};
  const auto context =
      build_server_context(library(), std::make_shared<const ListenerTls>(settings));
  ASSERT_FALSE(context);
  EXPECT_NE(context.error().message.find("two ECDSA certificates for 'a.example'"),
            std::string::npos);
}

TEST_F(ServerContextTest, chain_is_sent_with_each_certificate) {
  TestCa middle = ca_.intermediate("Middle");
  auto issued = middle.issue({.common_name = "leaf"});
  issued.certificate_pem += middle.certificate_pem();
  ListenerTls settings;
  settings.credentials = {credential("other", {"first.example"}),
                          credential_of(issued, {"leaf.example"})};
  Joined joined(context_of(settings), {.sni = "leaf.example"});
  ASSERT_TRUE(joined.handshake());
  EXPECT_EQ(sk_X509_num(SSL_get_peer_cert_chain(joined.client())), 2);
}

// OpenSSL would look for issuers of the server's certificate among the client CAs.
TEST_F(ServerContextTest, client_cas_do_not_complete_the_servers_chain) {
  ListenerTls settings;
  settings.credentials = {credential("leaf", {"a.example"})};
  settings.client_auth = ClientAuth::kOptional;
  settings.trust = trust_of(ca_.certificate_pem());
  Joined joined(context_of(settings), {});
  ASSERT_TRUE(joined.handshake());
  EXPECT_EQ(sk_X509_num(SSL_get_peer_cert_chain(joined.client())), 1);
}

TEST_F(ServerContextTest, refused_settings_are_named_with_their_value) {
  const auto message = [&](auto change) {
    ListenerTls settings = simple_listener();
    change(settings);
    auto context = build_server_context(library(), std::make_shared<const ListenerTls>(settings));
    return context ? "built" : context.error().message;
  };
  EXPECT_TRUE(message([](auto& s) { s.ciphers = "NOPE"; })
                  .starts_with("tls.ciphers: OpenSSL "
                               "refuses 'NOPE'"));
  // OpenSSL itself skips what it does not know beside what it does.
  EXPECT_TRUE(message([](auto& s) {
                s.ciphers = "ECDHE+AESGCM:NOPE";
              }).starts_with("tls.ciphers: OpenSSL refuses 'NOPE'"));
  EXPECT_TRUE(message([](auto& s) {
                s.ciphersuites = "TLS_AES_128_GCM_SHA256:TLS_NOPE";
              }).starts_with("tls.ciphersuites: OpenSSL refuses 'TLS_NOPE'"));
  for (const char* const list : {"aNULL", "eNULL", "PSK", "SRP"}) {
    EXPECT_TRUE(message([&](auto& s) { s.ciphers = list; }).starts_with("tls.ciphers:")) << list;
  }
  for (const char* const list : {"HIGH:!RC4:!NOPE", "ECDHE+AESGCM @STRENGTH", "ALL:@SECLEVEL=1",
                                 "DEFAULT:-SHA", "AES256-SHA,AES128-SHA;+AES256"}) {
    EXPECT_EQ(message([&](auto& s) { s.ciphers = list; }), "built") << list;
  }
  EXPECT_TRUE(message([](auto& s) { s.ciphersuites = "NOPE"; }).starts_with("tls.ciphersuites:"));
  EXPECT_TRUE(message([](auto& s) { s.groups = "NOPE"; }).starts_with("tls.groups:"));
  EXPECT_TRUE(message([](auto& s) { s.sigalgs = "NOPE"; }).starts_with("tls.sigalgs:"));
  EXPECT_TRUE(message([](auto& s) {
                std::swap(s.min_version, s.max_version);
              }).starts_with("tls.min_version:"));
}

TEST_F(ServerContextTest, weak_key_is_refused_by_the_security_level) {
  ListenerTls settings;
  settings.credentials = {credential("weak", {"a.example"}, KeyType::kRsa1024)};
  auto context = build_server_context(library(), std::make_shared<const ListenerTls>(settings));
  ASSERT_FALSE(context);
  EXPECT_NE(context.error().message.find("security level"), std::string::npos);
  EXPECT_NE(context.error().message.find("key too small"), std::string::npos);
  settings.ciphers = "ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0";
  EXPECT_EQ(served(context_of(settings), {}), "weak");
}

TEST_F(ServerContextTest, no_cipher_without_authentication_or_encryption) {
  ListenerTls settings = simple_listener();
  settings.ciphers = "ALL:COMPLEMENTOFALL:@SECLEVEL=0";
  for (const char* const ciphers : {"ADH:@SECLEVEL=0", "AECDH:@SECLEVEL=0", "eNULL:@SECLEVEL=0"}) {
    Joined joined(context_of(settings), {.max_version = TLS1_2_VERSION, .ciphers = ciphers});
    EXPECT_FALSE(joined.handshake()) << ciphers;
    EXPECT_EQ(joined.server().failure(), TlsFailure::kNoSharedCipher) << ciphers;
  }
}

TEST_F(ServerContextTest, rebuilding_keeps_contexts_of_unchanged_certificates) {
  auto build = [&](const ListenerTls& settings, std::shared_ptr<const ServerContext> previous) {
    ServerContext::Builder builder(library(), std::make_shared<const ListenerTls>(settings),
                                   std::move(previous));
    std::size_t steps = 0;
    for (auto done = builder.step(); done && !*done; done = builder.step()) {
      ++steps;
    }
    return std::pair(builder.finish(), steps);
  };
  ListenerTls settings;
  settings.credentials = {credential("one", {"one.example"}), credential("two", {"two.example"})};
  const auto [first, first_steps] = build(settings, nullptr);

  settings.alpn = {"h2"};  // found through the connection, in no context
  const auto [same, same_steps] = build(settings, first);
  EXPECT_EQ(same->listener_context(), first->listener_context());
  EXPECT_EQ(same_steps, 0U);
  Joined joined(same, {.sni = "two.example", .alpn = {"h2"}});
  ASSERT_TRUE(joined.handshake());
  EXPECT_EQ(joined.server().facts().alpn, "h2");

  settings.credentials[1] = credential("new", {"two.example"});
  const auto [renewed, renewed_steps] = build(settings, same);
  EXPECT_EQ(renewed->listener_context(), first->listener_context());
  EXPECT_EQ(served(renewed, {.sni = "two.example"}), "new");
  EXPECT_EQ(served(first, {.sni = "two.example"}), "two");  // older connections go on

  settings.max_version = TLS1_2_VERSION;
  const auto [changed, changed_steps] = build(settings, renewed);
  EXPECT_NE(changed->listener_context(), first->listener_context());
  EXPECT_GT(changed_steps, 0U);
}

// What SSL_set_SSL_CTX does not move must hold for every host, also when the hello callback runs
// again on the host's context after HelloRetryRequest.
class EveryHost : public testing::TestWithParam<std::tuple<std::string, int, std::string>> {
 protected:
  EveryHost() {
    settings_.credentials = {
        credential_of(ca_.issue({.common_name = "default"}), {"first.example"}),
        credential_of(ca_.issue({.common_name = "exact"}), {"exact.example"}),
        credential_of(ca_.issue({.common_name = "wild"}), {"*.wild.example"})};
    settings_.groups = "P-384:P-256";  // the certificates' curve: TLS 1.2 wants it listed
    settings_.alpn = {"http/1.1"};
    settings_.client_auth = ClientAuth::kRequired;
    settings_.trust = trust_of(ca_.certificate_pem());
    options_.sni = std::get<0>(GetParam());
    options_.min_version = options_.max_version = std::get<1>(GetParam());
    options_.groups = std::get<2>(GetParam());
    options_.alpn = {"h2", "http/1.1"};
  }

  TestCa ca_ = TestCa::root("Test CA");
  ListenerTls settings_;
  ClientOptions options_;
};

INSTANTIATE_TEST_SUITE_P(
    Names, EveryHost,
    testing::Combine(
        testing::Values("", "exact.example", "a.wild.example", "unknown"),
        testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
        testing::Values("P-384:P-256",
                        "X25519:P-384:P-256")));  // the second: HelloRetryRequest in 1.3

TEST_P(EveryHost, asks_for_a_client_certificate) {
  const auto context = context_of(settings_);
  Joined without(context, options_);
  EXPECT_FALSE(without.handshake());
  EXPECT_EQ(without.server().failure(), TlsFailure::kClientCertMissing);
  EXPECT_EQ(without.client_alert(),
            options_.min_version == TLS1_3_VERSION ? 116 : SSL_AD_HANDSHAKE_FAILURE);

  const auto certificate = ca_.issue({.common_name = "client 7"});
  options_.certificate = &certificate;
  Joined with(context, options_);
  ASSERT_TRUE(with.handshake()) << with.server().failure_detail();
  const TlsFacts facts = with.server().facts();
  EXPECT_TRUE(facts.client_cert_verified);
  EXPECT_EQ(with.server().client_common_name(), "client 7");
  EXPECT_EQ(facts.alpn, "http/1.1");
  EXPECT_EQ(facts.sni, options_.sni);
  const STACK_OF(X509_NAME)* names = SSL_get0_peer_CA_list(with.client());
  ASSERT_EQ(sk_X509_NAME_num(names), 1);
}

void count_hello(int is_write, int, int content_type, const void* bytes, std::size_t size, SSL*,
                 void* count) {
  if (is_write != 0 && content_type == SSL3_RT_HANDSHAKE && size > 0 &&
      *static_cast<const unsigned char*>(bytes) == SSL3_MT_CLIENT_HELLO) {
    ++*static_cast<int*>(count);
  }
}

// The premise of the other tests here: the callback did run again, on the switched context.
TEST_P(EveryHost, retried_hello_changes_nothing) {
  settings_.client_auth = ClientAuth::kOff;
  Joined joined(context_of(settings_), options_);
  int hellos = 0;
  SSL_set_msg_callback(joined.client(), count_hello);
  SSL_set_msg_callback_arg(joined.client(), &hellos);
  ASSERT_TRUE(joined.handshake());
  const bool is_retried =
      options_.max_version == TLS1_3_VERSION && options_.groups.starts_with("X25519");
  EXPECT_EQ(hellos, is_retried ? 2 : 1);
  EXPECT_EQ(joined.server().facts().sni, options_.sni);
}

TEST_P(EveryHost, keeps_the_minimum_version) {
  settings_.min_version = TLS1_3_VERSION;
  settings_.client_auth = ClientAuth::kOff;
  Joined joined(context_of(settings_), options_);
  const bool is_allowed = options_.max_version == TLS1_3_VERSION;
  EXPECT_EQ(joined.handshake(), is_allowed);
  if (!is_allowed) {
    EXPECT_EQ(joined.server().failure(), TlsFailure::kVersion);
    EXPECT_EQ(joined.client_alert(), SSL_AD_PROTOCOL_VERSION);
  }
}

TEST_P(EveryHost, acknowledges_the_name) {
  settings_.client_auth = ClientAuth::kOff;
  Joined joined(context_of(settings_), options_);
  ASSERT_TRUE(joined.handshake());
  const char* stored = SSL_SESSION_get0_hostname(SSL_get_session(joined.server().raw()));
  EXPECT_EQ(std::string(stored == nullptr ? "" : stored), options_.sni);
}

}  // namespace
}  // namespace usher::tls::test
