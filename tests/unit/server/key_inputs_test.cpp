#include "proxy/server/key_inputs.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/support/test_ca.h"

namespace usher::server {
namespace {

using config::TicketSource;

class KeyInputsTest : public testing::Test {
 protected:
  KeyInputsTest() {
    config_.process.node = "Proxy-1.example";
    config_.tickets.keyd_place = {"usher.toml", 3};
    config_.tickets.tls_place = {"usher.toml", 4};
    config_.tickets.user_place = {"usher.toml", 5};
    config_.tickets.file_place = {"usher.toml", 6};
  }
  void use_keyd(const std::string& endpoint) {
    config_.tickets.source = TicketSource::kKeyd;
    config_.tickets.keyd = {endpoint};
  }
  void use_tls(const std::vector<std::string>& names) {
    use_keyd("tls:keyd-1.example:7443");
    auto ca = usher::test::TestCa::root("keyd");
    usher::test::CertificateRequest request;
    request.dns_names = names;
    const auto issued = ca.issue(request);
    config_.tickets.ca = directory_.write("ca.pem", ca.certificate_pem());
    config_.tickets.cert = directory_.write("cert.pem", issued.certificate_pem);
    config_.tickets.key = directory_.write("key.pem", issued.key_pem);
  }
  std::string problem() {
    const auto inputs = load_key_inputs(config_);
    return inputs ? "" : inputs.error().messages.front();
  }

  usher::test::TemporaryDirectory directory_;
  config::Config config_;
};

TEST_F(KeyInputsTest, EmbeddedKeysNeedNothing) {
  EXPECT_EQ(problem(), "");
}

TEST_F(KeyInputsTest, OnlyTheSourceInUseIsRead) {
  config_.tickets.file = {"/nowhere/a.key"};
  config_.tickets.keyd_user = "nobody-of-that-name";
  EXPECT_EQ(problem(), "");
}

TEST_F(KeyInputsTest, ASocketNeedsNoCertificate) {
  use_keyd("unix:/run/keyd.sock");
  const auto inputs = load_key_inputs(config_);
  ASSERT_TRUE(inputs);
  EXPECT_EQ(inputs->endpoints.front().path, "/run/keyd.sock");
  EXPECT_EQ(inputs->channel_tls, nullptr);
  EXPECT_TRUE(inputs->keyd_users.empty());
}

TEST_F(KeyInputsTest, TheUserOfKeydIsLookedUp) {
  use_keyd("unix:/run/keyd.sock");
  config_.tickets.keyd_user = "root";
  EXPECT_EQ(load_key_inputs(config_)->keyd_users, std::set<uid_t>{0});
  config_.tickets.keyd_user = "nobody-of-that-name";
  EXPECT_EQ(problem().find("usher.toml:5: there is no user 'nobody-of-that-name'"), 0U)
      << problem();
}

TEST_F(KeyInputsTest, CertificatesAreRead) {
  use_tls({"proxy-1.example"});
  const auto inputs = load_key_inputs(config_);
  ASSERT_TRUE(inputs) << inputs.error().messages.front();
  EXPECT_NE(inputs->channel_tls, nullptr);
  EXPECT_TRUE(inputs->warnings.empty()) << inputs->warnings.front();
  config_.tickets.key = directory_.path() + "/missing";
  EXPECT_EQ(problem().find("usher.toml:4: "), 0U) << problem();
  EXPECT_NE(problem().find(config_.tickets.key), std::string::npos) << problem();
}

TEST_F(KeyInputsTest, ANodeThatItsCertificateDoesNotNameIsTold) {
  use_tls({"proxy-2.example"});
  const auto inputs = load_key_inputs(config_);
  ASSERT_TRUE(inputs);
  ASSERT_EQ(inputs->warnings.size(), 1U);
  EXPECT_NE(inputs->warnings.front().find("has no DNS name 'Proxy-1.example'"), std::string::npos);
}

TEST_F(KeyInputsTest, KeyFilesAreReadAndChecked) {
  config_.tickets.source = TicketSource::kFile;
  config_.tickets.file = {directory_.write("a", std::string(80, '\0'))};
  EXPECT_EQ(problem().find("usher.toml:6: " + config_.tickets.file.front()), 0U) << problem();
}

}  // namespace
}  // namespace usher::server
