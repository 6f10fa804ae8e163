#include "proxy/server/quick.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "proxy/base/bytes.h"
#include "proxy/base/openssl_ptr.h"

namespace usher::server {
namespace {

TEST(Quick, ACertificateForLocalhostThatMatchesItsKey) {
  const auto credential = make_self_signed();
  ASSERT_TRUE(credential);
  const std::string& pem = (*credential)->chain_pem;
  const BioPtr chain(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const auto key_bytes = (*credential)->key_pem.bytes();
  const BioPtr key(BIO_new_mem_buf(key_bytes.data(), static_cast<int>(key_bytes.size())));
  const X509Ptr certificate(PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr));
  const PkeyPtr pkey(PEM_read_bio_PrivateKey(key.get(), nullptr, nullptr, nullptr));
  ASSERT_TRUE(certificate);
  ASSERT_TRUE(pkey);
  EXPECT_EQ(X509_check_private_key(certificate.get(), pkey.get()), 1);
  EXPECT_EQ(X509_check_host(certificate.get(), "localhost", 0, 0, nullptr), 1);
  EXPECT_EQ(X509_check_ip_asc(certificate.get(), "127.0.0.1", 0), 1);
  EXPECT_EQ(X509_check_ip_asc(certificate.get(), "::1", 0), 1);
}

TEST(Quick, EveryRunHasItsOwnKey) {
  const auto one = make_self_signed();
  const auto two = make_self_signed();
  ASSERT_TRUE(one && two);
  EXPECT_NE((*one)->digest, (*two)->digest);
}

TEST(Quick, NamesAndAddressesAreTakenAsBackends) {
  for (const char* backend : {"127.0.0.1:8080", "localhost:8080", "[::1]:8080"}) {
    const auto config = quick_config("127.0.0.1:8443", backend);
    ASSERT_TRUE(config) << backend;
    EXPECT_EQ(config->backends.front().servers.front().port, 8080);
    EXPECT_GE(config->process.workers, 1U);
    EXPECT_EQ(config->listeners.front().mode, config::Mode::kHttp);
    EXPECT_EQ(config->listeners.front().alpn, (std::vector<std::string>{"h2", "http/1.1"}));
  }
}

TEST(Quick, BadArgumentsNameTheOptionAndWhatWasExpected) {
  const auto backend = quick_config("127.0.0.1:8443", "8080");
  ASSERT_FALSE(backend);
  EXPECT_NE(backend.error().message.find("--backend '8080'"), std::string::npos);
  EXPECT_FALSE(quick_config("127.0.0.1:8443", "127.0.0.1:0"));
  const auto listen = quick_config("localhost", "127.0.0.1:80");
  ASSERT_FALSE(listen);
  EXPECT_NE(listen.error().message.find("--listen 'localhost'"), std::string::npos);
}

}  // namespace
}  // namespace usher::server
