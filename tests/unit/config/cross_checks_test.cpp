#include <gtest/gtest.h>

#include "tests/unit/config/support/sample.h"

// Values that are good alone and wrong together.
namespace usher::config {
namespace {

constexpr std::string_view kSecond = R"([[listener]]
name = "second"
address = "127.0.0.2:443"
backend = "app"
certificate = [{ chain = "chain.pem", key = "key.pem" }]
)";

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string result(text);
  return result.replace(result.find(from), from.size(), to);
}

TEST(CrossChecks, VersionsInOrder) {
  Sample sample;
  sample.put("[tls]", "min_version = \"1.3\"");
  const unsigned line = sample.put("[tls]", "max_version = \"1.2\"");
  EXPECT_TRUE(only(sample, line, "'max_version = \"1.2\"' is below 'min_version = \"1.3\"'"));
}

TEST(CrossChecks, ListenersReferToBackends) {
  Sample sample;
  const unsigned line = sample.put("[[listener]]", "backend = \"ap\"");
  EXPECT_TRUE(only(sample, line,
                   "no [[backend]] is called 'ap'; expected the name of one; did you mean 'app'?"));
}

TEST(CrossChecks, NamesAndAddressesOnce) {
  Sample names;
  unsigned line = names.append(replaced(kSecond, "second", "main")) + 1;
  EXPECT_TRUE(only(names, line, "name \"main\" is taken since line 8"));
  Sample addresses;
  line = addresses.append(replaced(kSecond, "127.0.0.2", "127.0.0.1")) + 2;
  EXPECT_TRUE(only(addresses, line, "address \"127.0.0.1:443\" is taken since line 9"));
  Sample backends;
  line = backends.append("[[backend]]\nname = \"app\"\nservers = [\"a:1\"]") + 1;
  EXPECT_TRUE(only(backends, line, "name \"app\" is taken since line 15"));
  Sample servers;
  line = servers.put("[[backend]]", "servers = [\"a:1\", \"A:1\"]");
  EXPECT_TRUE(only(servers, line, "\"a:1\" stands in 'servers' of [[backend]] twice"));
}

TEST(CrossChecks, PortZeroMayRepeat) {
  Sample sample;
  sample.put("[[listener]]", "address = \"127.0.0.1:0\"");
  sample.append(replaced(kSecond, "127.0.0.2:443", "127.0.0.1:0"));
  EXPECT_EQ(sample.problems(), std::vector<std::string>());
}

TEST(CrossChecks, ClientAuthNeedsAuthorities) {
  for (const std::string_view mode : {"optional", "required"}) {
    Sample sample;
    const unsigned line = sample.put("[[listener]]", "client_auth = \"" + std::string(mode) + "\"");
    EXPECT_TRUE(only(sample, line, "needs 'client_ca'"));
    sample.put("[[listener]]", "client_ca = \"ca.pem\"");
    EXPECT_EQ(sample.problems(), std::vector<std::string>());
  }
}

TEST(CrossChecks, ClientAuthKeysWithoutItAreRefused) {
  for (const std::string_view key :
       {"client_ca = \"ca.pem\"", "client_crl = \"crl.pem\"", "verify_depth = 2"}) {
    Sample sample;
    const unsigned line = sample.put("[[listener]]", key);
    EXPECT_TRUE(only(sample, line, "has no effect while 'client_auth' is \"off\""));
  }
}

TEST(CrossChecks, ProxyProtocolNeedsNetworks) {
  Sample sample;
  unsigned line = sample.put("[[listener]]", "proxy_protocol = \"on\"");
  EXPECT_TRUE(only(sample, line, "needs 'proxy_protocol_from'"));
  sample.put("[[listener]]", "proxy_protocol_from = [\"10.0.0.0/8\"]");
  EXPECT_EQ(sample.problems(), std::vector<std::string>());
  Sample off;
  line = off.put("[[listener]]", "proxy_protocol_from = [\"10.0.0.0/8\"]");
  EXPECT_TRUE(only(off, line, "has no effect while 'proxy_protocol' is \"off\""));
}

TEST(CrossChecks, OneMistakeDoesNotHideAnother) {
  Sample sample;
  sample.put("[[listener]]", "idle_timeout = \"0s\"");
  sample.put("[[listener]]", "client_auth = \"required\"");
  sample.put("[[listener]]", "proxy_protocol = \"on\"");
  EXPECT_EQ(sample.problems().size(), 3U);
}

TEST(CrossChecks, SealingOutlastsARotation) {
  Sample sample;
  const unsigned line = sample.put("[tickets]", "seal_max_age = \"1h\"");
  EXPECT_TRUE(only(sample, line, "seal_max_age is \"1h\"; expected more than rotate_every"));
}

TEST(CrossChecks, OpeningOutlastsSealingAndSessions) {
  Sample open;
  unsigned line = open.put("[tickets]", "open_max_age = \"539m\"");
  EXPECT_TRUE(only(open, line, "expected at least seal_max_age + tls.session_lifetime = \"9h\""));
  Sample seal;
  line = seal.put("[tickets]", "seal_max_age = \"181m\"");
  EXPECT_TRUE(only(seal, line, "open_max_age is \"9h\""));
  Sample lifetime;
  line = lifetime.put("[tls]", "session_lifetime = \"7h\"");
  EXPECT_TRUE(only(lifetime, line, "open_max_age is \"9h\""));
}

TEST(CrossChecks, ARingHoldsSixtyRotations) {
  Sample rotate;
  unsigned line = rotate.put("[tickets]", "rotate_every = \"539s\"");
  EXPECT_TRUE(only(rotate, line, "holds more than 60 keys"));
  Sample open;
  line = open.put("[tickets]", "open_max_age = \"61h\"");
  EXPECT_TRUE(only(open, line, "holds more than 60 keys"));
}

TEST(CrossChecks, AgesOfAShortTrial) {
  Sample sample;
  sample.put("[tls]", "session_lifetime = \"5s\"");
  sample.put("[tickets]", "rotate_every = \"200ms\"");
  sample.put("[tickets]", "seal_max_age = \"1s\"");
  sample.put("[tickets]", "open_max_age = \"6s\"");
  EXPECT_EQ(sample.problems(), std::vector<std::string>());
}

TEST(CrossChecks, AgesDoNotMatterWithoutTickets) {
  Sample sample;
  sample.put("[tls]", "session_lifetime = \"7d\"");
  sample.put("[tickets]", "source = \"off\"");
  EXPECT_EQ(sample.problems(), std::vector<std::string>());
}

TEST(CrossChecks, AnUnusedBackendIsAWarning) {
  Sample sample;
  const unsigned line = sample.append("[[backend]]\nname = \"spare\"\nservers = [\"a:1\"]") + 1;
  const auto config = sample.parse();
  ASSERT_TRUE(config);
  EXPECT_EQ(config->warnings,
            std::vector<std::string>{
                at(line, "no listener uses backend 'spare'; remove it or refer to it")});
}

}  // namespace
}  // namespace usher::config
