#include "proxy/tls/credential.h"

#include <gtest/gtest.h>

#include "tests/support/test_ca.h"

namespace usher::tls {
namespace {

using namespace usher::test;

class CredentialTest : public testing::Test {
 protected:
  Result<LoadedCredential> load(const std::string& chain, const std::string& key,
                                const std::vector<std::string>& names = {}) {
    return load_credential(directory_.write("chain.pem", chain), directory_.write("key.pem", key),
                           names, unix_now());
  }

  // The message, or what was loaded instead.
  std::string refusal(const std::string& chain, const std::string& key) {
    auto loaded = load(chain, key);
    return loaded ? "loaded" : loaded.error().message;
  }

  TestCa ca_ = TestCa::root("Test CA");
  IssuedCertificate good_ =
      ca_.issue({.common_name = "cn.example", .dns_names = {"WWW.example", "*.example"}});
  TemporaryDirectory directory_;
};

void expect_contains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST_F(CredentialTest, good_pair_with_names_of_the_certificate) {
  auto loaded = load(good_.certificate_pem + ca_.certificate_pem(), good_.key_pem);
  ASSERT_TRUE(loaded) << loaded.error().message;
  const Credential& credential = *loaded->credential;
  EXPECT_EQ(credential.names, (std::vector<std::string>{"www.example", "*.example"}));
  EXPECT_EQ(credential.key_type, "ECDSA");
  EXPECT_TRUE(loaded->warnings.empty());
  EXPECT_LT(credential.not_before, unix_now());
  EXPECT_GT(credential.not_after, unix_now() + std::chrono::hours(23));
  EXPECT_LT(credential.not_after, unix_now() + std::chrono::hours(25));  // the leaf's, not the CA's
}

TEST_F(CredentialTest, common_name_serves_without_dns_names) {
  const auto issued = ca_.issue({.common_name = "Only.Example"});
  auto loaded = load(issued.certificate_pem, issued.key_pem);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->credential->names, std::vector<std::string>{"only.example"});
}

TEST_F(CredentialTest, configured_names_win) {
  auto loaded = load(good_.certificate_pem, good_.key_pem, {"Other.example"});
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->credential->names, std::vector<std::string>{"other.example"});
  EXPECT_FALSE(load(good_.certificate_pem, good_.key_pem, {"w*.example"}));
}

TEST_F(CredentialTest, certificate_without_a_name_warns) {
  const auto issued = ca_.issue({.common_name = "no host name"});
  auto loaded = load(issued.certificate_pem, issued.key_pem);
  ASSERT_TRUE(loaded);
  EXPECT_TRUE(loaded->credential->names.empty());
  ASSERT_EQ(loaded->warnings.size(), 1U);
  expect_contains(loaded->warnings[0], "no DNS name");
}

TEST_F(CredentialTest, key_beside_certificate_in_one_file_stays_out_of_the_chain) {
  const std::string both = good_.certificate_pem + good_.key_pem;
  auto loaded = load(both, both);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->credential->chain_pem.find("PRIVATE"), std::string::npos);
}

TEST_F(CredentialTest, digest_tells_credentials_apart) {
  const auto other = ca_.issue({.common_name = "cn.example"});
  const auto first = load(good_.certificate_pem, good_.key_pem);
  const auto again = load(good_.certificate_pem, good_.key_pem);
  const auto second = load(other.certificate_pem, other.key_pem);
  ASSERT_TRUE(first && again && second);
  EXPECT_EQ(first->credential->digest, again->credential->digest);
  EXPECT_NE(first->credential->digest, second->credential->digest);
}

TEST_F(CredentialTest, each_bad_chain_has_its_message) {
  expect_contains(refusal("", good_.key_pem), "chain.pem: the file is empty");
  expect_contains(refusal("hello\n", good_.key_pem), "chain.pem: not a PEM file");
  expect_contains(refusal(good_.key_pem, good_.key_pem), "are chain and key exchanged?");
  expect_contains(refusal(ca_.crl_pem({}), good_.key_pem), "chain.pem: holds no certificate");
  std::string damaged = good_.certificate_pem;
  damaged.replace(60, 8, "AAAAAAAA");
  expect_contains(refusal(damaged, good_.key_pem), "chain.pem: a damaged PEM block");
  expect_contains(refusal(std::string(1024 * 1024 + 1, 'x'), good_.key_pem), "larger than 1 MiB");
  expect_contains(refusal(ca_.certificate_pem() + good_.certificate_pem, good_.key_pem),
                  "wrong order");
  auto missing =
      load_credential(directory_.path() + "/none", directory_.path() + "/none", {}, unix_now());
  ASSERT_FALSE(missing);
  expect_contains(missing.error().message, "/none: No such file or directory");
  auto folder = load_credential(directory_.path(), directory_.path(), {}, unix_now());
  ASSERT_FALSE(folder);
  expect_contains(folder.error().message, "not a regular file");
}

TEST_F(CredentialTest, each_bad_key_has_its_message) {
  const std::string& chain = good_.certificate_pem;
  expect_contains(refusal(chain, ""), "key.pem: the file is empty");
  expect_contains(refusal(chain, "hello\n"), "key.pem: not a PEM file");
  expect_contains(refusal(chain, chain), "are chain and key exchanged?");
  expect_contains(refusal(chain, ca_.crl_pem({})), "key.pem: holds no private key");
  const PkeyPtr other = make_key(KeyType::kEcdsa);
  expect_contains(refusal(chain, key_pem_of(other.get())), "does not belong to the certificate");
  expect_contains(refusal(chain, key_pem_of(other.get(), "secret")), "is encrypted");
  const PkeyPtr unsupported = make_key(KeyType::kX25519);
  expect_contains(refusal(chain, key_pem_of(unsupported.get())), "cannot serve TLS");
  std::string damaged = good_.key_pem;
  damaged.replace(40, 8, "AAAAAAAA");
  expect_contains(refusal(chain, damaged), "cannot be decoded");
}

TEST_F(CredentialTest, expired_future_and_unlinked_certificates_only_warn) {
  const UnixSeconds now = unix_now();
  const auto expired = ca_.issue(
      {.not_before = now - std::chrono::hours(2), .not_after = now - std::chrono::hours(1)});
  auto loaded = load(expired.certificate_pem, expired.key_pem, {"a.example"});
  ASSERT_TRUE(loaded);
  ASSERT_EQ(loaded->warnings.size(), 1U);
  expect_contains(loaded->warnings[0], "has expired");

  const auto future = ca_.issue({.not_before = now + std::chrono::hours(1)});
  loaded = load(future.certificate_pem, future.key_pem, {"a.example"});
  ASSERT_TRUE(loaded);
  ASSERT_EQ(loaded->warnings.size(), 1U);
  expect_contains(loaded->warnings[0], "not valid yet");

  TestCa stranger = TestCa::root("Stranger");
  loaded = load(good_.certificate_pem + stranger.certificate_pem(), good_.key_pem);
  ASSERT_TRUE(loaded);
  ASSERT_EQ(loaded->warnings.size(), 1U);
  expect_contains(loaded->warnings[0], "not the issuer");
}

class ClientTrustTest : public testing::Test {
 protected:
  Result<std::shared_ptr<const ClientTrust>> load(const std::string& ca, const std::string& crl) {
    warnings_.clear();
    return load_client_trust(directory_.write("ca.pem", ca),
                             crl.empty() ? "" : directory_.write("crl.pem", crl), warnings_);
  }

  TestCa ca_ = TestCa::root("Test CA");
  TestCa other_ = TestCa::root("Other CA");
  TemporaryDirectory directory_;
  std::vector<std::string> warnings_;
};

TEST_F(ClientTrustTest, order_of_authorities_does_not_matter) {
  const auto one = load(ca_.certificate_pem() + other_.certificate_pem(), "");
  const auto two = load(other_.certificate_pem() + ca_.certificate_pem(), "");
  ASSERT_TRUE(one && two);
  EXPECT_EQ((*one)->ca_digests, (*two)->ca_digests);
  EXPECT_EQ((*one)->ca_digests.size(), 2U);
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(ClientTrustTest, bad_files_are_refused_by_name) {
  const std::string ca = ca_.certificate_pem();
  auto message = [&](const std::string& authorities, const std::string& crl) {
    auto loaded = load(authorities, crl);
    return loaded ? "loaded" : loaded.error().message;
  };
  expect_contains(message("nothing", ""), "ca.pem: holds no certificate");
  expect_contains(message(ca, ca), "crl.pem: holds no certificate revocation list");
  std::string damaged = ca_.crl_pem({7});
  damaged.replace(60, 8, "AAAAAAAA");
  expect_contains(message(ca, damaged), "crl.pem: a damaged PEM block");
}

TEST_F(ClientTrustTest, what_will_refuse_clients_warns) {
  ASSERT_TRUE(load(ca_.certificate_pem(), ca_.crl_pem({}, true)));
  ASSERT_EQ(warnings_.size(), 1U);
  expect_contains(warnings_[0], "past its next update");

  ASSERT_TRUE(load(ca_.intermediate("Middle").certificate_pem(), ""));
  ASSERT_EQ(warnings_.size(), 1U);
  expect_contains(warnings_[0], "is missing");

  ASSERT_TRUE(load(ca_.certificate_pem() + ca_.issue({}).certificate_pem, ""));
  ASSERT_EQ(warnings_.size(), 1U);
  expect_contains(warnings_[0], "is no CA");

  ASSERT_TRUE(load(ca_.certificate_pem() + other_.certificate_pem(), other_.crl_pem({})));
  ASSERT_EQ(warnings_.size(), 1U);
  expect_contains(warnings_[0], "crl.pem: no list of the CA CN=Test CA");
}

}  // namespace
}  // namespace usher::tls
