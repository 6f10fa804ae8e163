#include "proxy/tls/session_context.h"

#include <openssl/pem.h>

#include "tests/unit/tls/support/ticket_test.h"

namespace usher::tls::test {
namespace {

using Kind = SessionContext::Kind;

SessionContext context_named(std::string_view text) {
  const auto parsed = parse_session_context(text);
  CHECK(parsed && *parsed);
  return **parsed;
}

TEST(ParseSessionContext, words_and_bytes) {
  EXPECT_EQ(context_named("nginx").kind, Kind::kNginx);
  EXPECT_EQ(context_named("nginx-stream").kind, Kind::kNginxStream);
  EXPECT_EQ(context_named("haproxy").kind, Kind::kHaproxy);
  const SessionContext bytes = context_named("hex:00fFa1");
  EXPECT_EQ(bytes.kind, Kind::kBytes);
  EXPECT_EQ(hex(bytes.bytes.view()), "00ffa1");
  const std::string most(64, 'a');
  EXPECT_EQ(hex(context_named("hex:" + most).bytes.view()), most);
  const auto none = parse_session_context("");
  ASSERT_TRUE(none);
  EXPECT_FALSE(*none);
}

TEST(ParseSessionContext, refuses) {
  for (const std::string& text :
       {std::string("Nginx"), std::string("nginx "), std::string("apache"), std::string("hex"),
        std::string("hex:"), std::string("hex:f"), std::string("hex:fff"), std::string("hex:fg"),
        std::string("hex:0x00"), std::string("hex: 00"), std::string("00ff"),
        "hex:" + std::string(66, 'a')}) {
    const auto parsed = parse_session_context(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_NE(parsed.error().message.find("expected"), std::string::npos);
  }
}

// One context for one name's certificates.
class SessionIdContextTest : public testing::Test {
 protected:
  static X509Ptr first_in(const std::string& pem) {
    const BioPtr from(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    X509Ptr certificate(PEM_read_bio_X509(from.get(), nullptr, nullptr, nullptr));
    CHECK(certificate != nullptr);
    return certificate;
  }
  static std::string sha1(std::string_view input) {
    std::array<char, 20> digest{};
    CHECK(EVP_Q_digest(nullptr, "SHA1", nullptr, input.data(), input.size(),
                       reinterpret_cast<unsigned char*>(digest.data()), nullptr) == 1);
    return {digest.begin(), digest.end()};
  }
  static std::string name_der(const std::string& pem) {
    const X509Ptr certificate = first_in(pem);
    const unsigned char* der = nullptr;
    std::size_t size = 0;
    CHECK(X509_NAME_get0_der(X509_get_subject_name(certificate.get()), &der, &size) == 1);
    return {reinterpret_cast<const char*>(der), size};
  }
  static std::string computed(std::string_view context,
                              const std::vector<CredentialPtr>& credentials,
                              const ClientTrust* trust = nullptr) {
    const auto id = session_id_context(context_named(context), library().raw(), credentials, trust);
    CHECK(id);
    return std::string(text_of(id->view()));
  }

  TestCa ca_ = TestCa::root("Server CA");
  TestCa other_ca_ = TestCa::root("Other CA");
};

TEST_F(SessionIdContextTest, haproxy_and_bytes_ask_for_nothing) {
  EXPECT_EQ(computed("haproxy", {}), "haproxy");
  EXPECT_EQ(computed("hex:616263", {}), "abc");
}

// ngx_ssl_session_id_context of 1.22: the certificate configured last comes first.
TEST_F(SessionIdContextTest, nginx_hashes_leaves_and_ca_names) {
  const IssuedCertificate first = ca_.issue({.common_name = "first"});
  IssuedCertificate second = ca_.issue({.common_name = "second", .key_type = KeyType::kRsa2048});
  const std::string leaf1 = sha1(der_of(first_in(first.certificate_pem).get()));
  const std::string leaf2 = sha1(der_of(first_in(second.certificate_pem).get()));
  second.certificate_pem += ca_.certificate_pem();  // the rest of the chain does not count
  const std::vector<CredentialPtr> both = {credential_of(first), credential_of(second)};
  EXPECT_EQ(computed("nginx", {both[0]}), sha1("HTTP" + leaf1));
  EXPECT_EQ(computed("nginx-stream", {both[0]}), sha1("STREAM" + leaf1));
  EXPECT_EQ(computed("nginx", both), sha1("HTTP" + leaf2 + leaf1));

  const auto trust = trust_of(ca_.certificate_pem() + other_ca_.certificate_pem() +
                              TestCa::root("Server CA").certificate_pem());
  const std::string names =
      sha1(name_der(ca_.certificate_pem())) + sha1(name_der(other_ca_.certificate_pem()));
  EXPECT_EQ(computed("nginx", {both[0]}, trust.get()), sha1("HTTP" + leaf1 + names))
      << "in file order, a name once";
}

class TicketUnderContext : public TicketTest {
 protected:
  TicketUnderContext() { use("haproxy"); }

  void use(std::string_view context) {
    settings_.session_context = *parse_session_context(context);
    rebuild();
  }
  // As HAProxy seals it: no app-data.
  SslSessionPtr of_others(SSL_SESSION* session, std::string_view sid_ctx = "haproxy") {
    return forged(session, [&](SSL_SESSION* s) {
      SSL_SESSION_set1_ticket_appdata(s, nullptr, 0);
      SSL_SESSION_set1_id_context(s, uchars(bytes_of(sid_ctx)),
                                  static_cast<unsigned>(sid_ctx.size()));
    });
  }
  std::string context_in(const Met& met) {
    const SslSessionPtr inside = content(met.session.get());
    unsigned size = 0;
    const unsigned char* bytes = SSL_SESSION_get0_id_context(inside.get(), &size);
    return {reinterpret_cast<const char*>(bytes), size};
  }
};
INSTANTIATE_TEST_SUITE_P(Versions, TicketUnderContext, both_versions());

TEST_P(TicketUnderContext, is_in_our_tickets_beside_the_domain) {
  const Met first = connect();
  EXPECT_EQ(context_in(first), "haproxy");
  const auto data = app_data_of(content(first.session.get()).get());
  ASSERT_TRUE(data);
  EXPECT_EQ(data->domain,
            resumption_domain(ClientAuth::kOff, settings_.verify_depth, nullptr, "localhost"));
  const Met second = connect(first.session.get());
  EXPECT_TRUE(second.resumed());
  rotate();
  const Met third = connect(second.session.get());
  EXPECT_TRUE(third.resumed());
  EXPECT_EQ(app_data_of(content(third.session.get()).get())->domain, data->domain);
  use("hex:6162");
  EXPECT_EQ(context_in(connect()), "ab");
}

TEST_P(TicketUnderContext, tickets_of_others_resume_and_are_renewed_as_ours) {
  const auto foreign = of_others(connect().session.get());
  rotate();
  const Met met = connect(foreign.get());
  EXPECT_TRUE(met.resumed());
  EXPECT_EQ(met.issued, 1U);
  EXPECT_TRUE(app_data_of(content(met.session.get()).get())->domain);
}

TEST_P(TicketUnderContext, other_contexts_do_not) {
  const Met first = connect();
  for (const std::string sid_ctx : {"", "haprox", "haproxy2", "HAPROXY"}) {
    EXPECT_EQ(connect(of_others(first.session.get(), sid_ctx).get()).outcome,
              OfferOutcome::kDomain);
  }
  use("");
  EXPECT_EQ(connect(first.session.get()).outcome, OfferOutcome::kDomain);
  const Met plain = connect();
  EXPECT_EQ(context_in(plain).size(), sizeof(Domain));
  use("haproxy");
  EXPECT_EQ(connect(plain.session.get()).outcome, OfferOutcome::kDomain);
}

// As real nginx 1.22 does, in TLS 1.2 and 1.3.
TEST_P(TicketUnderContext, of_nginx_is_the_default_certificates_for_every_name) {
  TestCa ca = TestCa::root("Test CA");
  const std::vector<CredentialPtr> site = {
      credential_of(ca.issue({.common_name = "localhost"})),
      credential_of(ca.issue({.common_name = "localhost", .key_type = KeyType::kRsa2048}))};
  settings_.credentials = {site[0], credential_of(ca.issue({.common_name = "other.example"})),
                           site[1]};
  use("nginx");
  const auto expected = session_id_context(context_named("nginx"), library().raw(), site, nullptr);
  ASSERT_TRUE(expected);
  for (const std::string name : {"localhost", "other.example", "unknown", ""}) {
    client_.sni = name;
    EXPECT_EQ(context_in(connect()), text_of(expected->view())) << name;
  }
}

// A shared context does not lift the borders between our own hosts.
TEST_P(TicketUnderContext, our_tickets_stay_with_their_host) {
  TestCa ca = TestCa::root("Test CA");
  settings_.credentials.push_back(credential_of(ca.issue({.common_name = "other.example"})));
  rebuild();
  const Met first = connect();
  client_.sni = "other.example";
  EXPECT_EQ(connect(first.session.get()).outcome, OfferOutcome::kDomain);
  const auto foreign = of_others(first.session.get());
  EXPECT_EQ(connect(foreign.get()).outcome,
            tls13() ? OfferOutcome::kResumed : OfferOutcome::kDomain)
      << "of others, only the name in TLS 1.2 tells";
}

class TicketOfClientUnderContext : public TicketUnderContext {
 protected:
  void ask_for_certificates(ClientAuth auth) {
    settings_.client_auth = auth;
    settings_.trust = trust_of(ca_.certificate_pem());
    certificate_ = ca_.issue({.common_name = "client"});
    client_.certificate = &certificate_;
    rebuild();
  }

  TestCa ca_ = TestCa::root("Client CA");
  IssuedCertificate certificate_;
};
INSTANTIATE_TEST_SUITE_P(Versions, TicketOfClientUnderContext, both_versions());

// What another program verified, and against which CAs, its ticket does not tell.
TEST_P(TicketOfClientUnderContext, only_our_own_resume) {
  const Met without = connect();
  for (const ClientAuth auth : {ClientAuth::kOptional, ClientAuth::kRequired}) {
    ask_for_certificates(auth);
    EXPECT_EQ(connect(without.session.get()).outcome, OfferOutcome::kDomain);
    EXPECT_EQ(connect(of_others(without.session.get()).get()).outcome, OfferOutcome::kDomain);
    const Met with = connect();
    EXPECT_TRUE(connect(with.session.get()).resumed());
    EXPECT_EQ(connect(of_others(with.session.get()).get()).outcome, OfferOutcome::kDomain);
  }
}

}  // namespace
}  // namespace usher::tls::test
