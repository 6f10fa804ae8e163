#include "proxy/push/channel_tls.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/unit/push/support/channel_test.h"

namespace usher::push {
namespace {

using namespace test;
using usher::test::KeyType;
using usher::test::TemporaryDirectory;

class ChannelTlsTest : public ::testing::Test {
 protected:
  ChannelTlsTest() : own_(ca_.issue({.dns_names = {"Proxy-1.example", "*.wild.example"}})) {
    files_ = {directory_.write("ca.pem", ca_.certificate_pem()),
              directory_.write("cert.pem", own_.certificate_pem),
              directory_.write("key.pem", own_.key_pem)};
  }

  std::string error() const {
    const auto loaded = ChannelTls::load(files_);
    return loaded ? "loaded" : loaded.error().message;
  }
  std::string in(const char* name) const { return directory_.path() + "/" + name; }

  TemporaryDirectory directory_;
  TestCa ca_ = TestCa::root("Fleet CA");
  IssuedCertificate own_;
  ChannelTls::Files files_;
};

TEST_F(ChannelTlsTest, GoodFilesGiveBothContexts) {
  const auto loaded = ChannelTls::load(files_);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_TRUE((*loaded)->warnings().empty()) << (*loaded)->warnings().front();
  EXPECT_EQ((*loaded)->names(), std::vector<std::string>{"proxy-1.example"});
  for (SSL_CTX* context : {(*loaded)->client(), (*loaded)->server()}) {
    EXPECT_EQ(SSL_CTX_get_min_proto_version(context), TLS1_3_VERSION);
    EXPECT_EQ(SSL_CTX_get_max_proto_version(context), TLS1_3_VERSION);
    EXPECT_EQ(SSL_CTX_get_session_cache_mode(context), SSL_SESS_CACHE_OFF);
    EXPECT_EQ(SSL_CTX_get_num_tickets(context), 0U);
    EXPECT_NE(SSL_CTX_get_options(context) & SSL_OP_NO_TICKET, 0U);
    EXPECT_NE(SSL_CTX_get_options(context) & SSL_OP_CLEANSE_PLAINTEXT, 0U);
  }
  EXPECT_EQ(SSL_CTX_get_verify_mode((*loaded)->client()), SSL_VERIFY_PEER);
  EXPECT_EQ(SSL_CTX_get_verify_mode((*loaded)->server()),
            SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT);
}

TEST_F(ChannelTlsTest, EachFileHasItsMessage) {
  files_.ca = in("none.pem");
  EXPECT_EQ(error().rfind(in("none.pem") + ": ", 0), 0U) << error();
  files_.ca = directory_.write("empty.pem", "");
  EXPECT_EQ(error().rfind(in("empty.pem") + ": ", 0), 0U) << error();
  files_.ca = files_.key;
  EXPECT_EQ(error(), in("key.pem") + ": holds no certificate");
  files_.ca = in("ca.pem");

  files_.cert = directory_.write("text.pem", "hello");
  EXPECT_EQ(error(), in("text.pem") + ": not a PEM file");
  files_.cert = in("key.pem");
  EXPECT_NE(error().find("are chain and key exchanged?"), std::string::npos) << error();
  files_.cert = in("cert.pem");

  files_.key = in("cert.pem");
  EXPECT_NE(error().find("are chain and key exchanged?"), std::string::npos) << error();
  files_.key = directory_.write(
      "other.pem", usher::test::key_pem_of(usher::test::make_key(KeyType::kEcdsa).get()));
  EXPECT_NE(error().find("does not belong to the certificate in " + in("cert.pem")),
            std::string::npos)
      << error();
}

TEST_F(ChannelTlsTest, AnEncryptedKeyIsRefusedWithoutAPrompt) {
  files_.key = directory_.write(
      "locked.pem",
      usher::test::key_pem_of(usher::test::make_key(KeyType::kEcdsa).get(), "secret"));
  EXPECT_NE(error().find("never asks for a password"), std::string::npos) << error();
  EXPECT_EQ(error().rfind(in("locked.pem") + ": ", 0), 0U) << error();
}

TEST_F(ChannelTlsTest, AWeakKeyIsRefused) {
  const IssuedCertificate weak =
      ca_.issue({.dns_names = {"proxy-1.example"}, .key_type = KeyType::kRsa1024});
  files_.cert = directory_.write("weak.pem", weak.certificate_pem);
  files_.key = directory_.write("weak.key", weak.key_pem);
  EXPECT_NE(error().find(in("weak.pem") + ": OpenSSL refuses it"), std::string::npos) << error();
}

TEST_F(ChannelTlsTest, WhatWorksBadlyIsWarnedOf) {
  const auto warning = [](const Result<std::shared_ptr<const ChannelTls>>& loaded) {
    return !loaded                         ? loaded.error().message
           : (*loaded)->warnings().empty() ? "no warning"
                                           : (*loaded)->warnings().front();
  };
  const std::string ca = ca_.certificate_pem();
  EXPECT_NE(warning(try_load(ca, ca_.issue({.common_name = "proxy-1.example"})))
                .find("has no subjectAltName"),
            std::string::npos);
  EXPECT_NE(warning(try_load(ca, ca_.issue({.dns_names = {"proxy-1.example"},
                                            .not_after = unix_now() - std::chrono::hours(1)})))
                .find("has expired"),
            std::string::npos);
  TestCa between = ca_.intermediate("Between");
  EXPECT_NE(warning(try_load(between.certificate_pem(), own_)).find("the issuer of"),
            std::string::npos);
}

}  // namespace
}  // namespace usher::push
