#include <gtest/gtest.h>

#include "tests/unit/config/support/sample.h"

// The HTTP modes: routes, what a redirect has not, and which backend can serve which mode.
namespace usher::config {
namespace {

using Messages = std::vector<std::string>;

// A redirect listener beside the sample's own; `more` are lines of it.
constexpr std::string_view kRedirect =
    "[[listener]]\naddress = \"127.0.0.1:80\"\nmode = \"redirect\"\n";

TEST(HttpMode, OffersHttp2AndHttp11UnlessTold) {
  const auto usual = http_sample().parse();
  ASSERT_TRUE(usual);
  EXPECT_EQ(usual->listeners[0].mode, Mode::kHttp);
  EXPECT_EQ(usual->listeners[0].alpn, (std::vector<std::string>{"h2", "http/1.1"}));
  Sample told = http_sample();
  told.put("[[listener]]", "alpn = [\"http/1.1\"]");
  EXPECT_EQ(told.parse()->listeners[0].alpn, (std::vector<std::string>{"http/1.1"}));
  Sample none = http_sample();
  none.put("[[listener]]", "alpn = []");
  EXPECT_TRUE(none.parse()->listeners[0].alpn.empty());
  EXPECT_TRUE(Sample().parse()->listeners[0].alpn.empty()) << "tcp";
}

TEST(HttpMode, OffersNothingThatItDoesNotSpeak) {
  Sample sample = http_sample();
  const unsigned line = sample.put("[[listener]]", "alpn = [\"http/1.1\", \"h3\"]");
  EXPECT_TRUE(only(sample.problems(), line, "expected \"h2\" or \"http/1.1\""));
}

TEST(HttpMode, ItsKeysAreRefusedInTcpMode) {
  for (const std::string_view key :
       {"trusted_proxies = [\"10.0.0.0/8\"]", "forwarded = \"off\"", "tls_headers = true",
        "hsts = \"max-age=1\"", "max_head_bytes = 1024", "max_headers = 99"}) {
    Sample sample;
    const unsigned line = sample.put("[[listener]]", key);
    EXPECT_TRUE(only(sample.problems(), line, "has no effect while 'mode' is \"tcp\"")) << key;
  }
}

TEST(HttpMode, ItsDefaultsAreFineInTcpMode) {
  for (const std::string_view key : {"trusted_proxies = []", "forwarded = \"x\"",
                                     "tls_headers = false", "hsts = \"\"", "max_headers = 100"}) {
    Sample sample;
    sample.put("[[listener]]", key);
    EXPECT_EQ(sample.problems(), Messages()) << key;
  }
}

// The sample with a listener of its own for routes: "[[listener.route]]" follows its last listener.
struct Routed {
  explicit Routed(std::string_view routes) {
    line = sample.append(std::string(kRedirect) + std::string(routes)) + 3;
  }
  Sample sample;
  unsigned line;  // of the first route
};

TEST(Routes, AreReadInLowerCase) {
  Routed routed(
      "[[listener.route]]\nhost = \"*.Shop.Example\"\npath = \"/API/\"\nbackend = \"app\"\n"
      "[[listener.route]]\npath = \"/.well-known/acme-challenge/\"\nbackend = \"app\"\n"
      "[[listener.route]]\nhost = \"192.0.2.1\"\nbackend = \"app\"\n");
  const auto config = routed.sample.parse();
  ASSERT_TRUE(config) << routed.sample.problems().front();
  const auto& routes = config->listeners[1].routes;
  ASSERT_EQ(routes.size(), 3U);
  EXPECT_EQ(routes[0].host, "*.shop.example");
  EXPECT_EQ(routes[0].path, "/API/") << "paths are case-sensitive";
  EXPECT_EQ(routes[0].backend, "app");
  EXPECT_EQ(routes[0].place.line, routed.line);
  EXPECT_EQ(routes[1].host, "");
  EXPECT_EQ(routes[2].host, "192.0.2.1");
}

TEST(Routes, NeedAHostOrAPathAndABackend) {
  const Routed neither("[[listener.route]]\nbackend = \"app\"\n");
  EXPECT_TRUE(only(neither.sample.problems(), neither.line, "neither 'host' nor 'path'"));
  const Routed nowhere("[[listener.route]]\nhost = \"a.test\"\n");
  EXPECT_TRUE(only(nowhere.sample.problems(), nowhere.line, "has no 'backend'"));
  const Routed unknown("[[listener.route]]\nhost = \"a.test\"\nbackend = \"ap\"\n");
  EXPECT_TRUE(only(unknown.sample.problems(), unknown.line + 2, "did you mean 'app'?"));
  const Routed misspelled("[[listener.route]]\nhots = \"a\"\npath = \"/\"\nbackend = \"app\"\n");
  EXPECT_TRUE(only(misspelled.sample.problems(), misspelled.line + 1, "did you mean 'host'?"));
}

TEST(Routes, HostsAndPathsAreChecked) {
  for (const std::string_view wrong :
       {"host = \"*\"", "host = \"a.*.test\"", "host = \"a.test:443\"", "host = \"a b\"",
        "host = 1", "path = \"api\"", "path = \"/a b\"", "path = \"/a?b\"", "path = \"/a#b\"",
        "path = \"/\u00e4\"", "path = []"}) {
    const Routed routed("[[listener.route]]\n" + std::string(wrong) + "\nbackend = \"app\"\n");
    EXPECT_TRUE(only(routed.sample.problems(), routed.line + 1, "; expected ")) << wrong;
  }
}

TEST(Routes, OnceEach) {
  const Routed routed(
      "[[listener.route]]\nhost = \"a.test\"\npath = \"/x\"\nbackend = \"app\"\n"
      "[[listener.route]]\nhost = \"a.test\"\nbackend = \"app\"\n"
      "[[listener.route]]\npath = \"/x\"\nbackend = \"app\"\n"
      "[[listener.route]]\nhost = \"A.test\"\npath = \"/x\"\nbackend = \"app\"\n");
  EXPECT_TRUE(only(routed.sample.problems(), routed.line + 10,
                   "host \"a.test\" and path \"/x\" has a [[listener.route]] since line " +
                       std::to_string(routed.line)));
}

TEST(Routes, AreRefusedInTcpMode) {
  Sample sample;
  const unsigned line =
      sample.put("[[listener]]", "route = [{ host = \"a.test\", backend = \"app\" }]");
  EXPECT_TRUE(only(sample.problems(), line, "has no effect while 'mode' is \"tcp\""));
}

TEST(Routes, UseTheirBackend) {
  Sample sample = http_sample();
  sample.append("[[backend]]\nname = \"acme\"\nservers = [\"a:1\"]\n" + std::string(kRedirect) +
                "[[listener.route]]\npath = \"/x\"\nbackend = \"acme\"\n");
  const auto config = sample.parse();
  ASSERT_TRUE(config);
  EXPECT_EQ(config->warnings, Messages());
}

TEST(Redirect, NeedsNoBackendAndNoCertificate) {
  Sample sample;
  sample.append(kRedirect);
  EXPECT_EQ(sample.problems(), Messages());
}

TEST(Redirect, RefusesWhatIsForTls) {
  for (const std::string_view key :
       {"backend = \"app\"", "alpn = [\"http/1.1\"]", "session_context = \"nginx\"",
        "tls_headers = true", "hsts = \"max-age=1\"",
        "certificate = [{ chain = \"a\", key = \"b\" }]"}) {
    Sample sample;
    const unsigned line = sample.append(std::string(kRedirect) + std::string(key)) + 3;
    EXPECT_TRUE(only(sample.problems(), line, "has no effect while 'mode' is \"redirect\"")) << key;
  }
  Sample sample;
  const unsigned line =
      sample.append(std::string(kRedirect) + "client_ca = \"ca.pem\"\nclient_auth = \"required\"") +
      4;
  EXPECT_TRUE(only(sample.problems(), line, "has no effect while 'mode' is \"redirect\""));
}

TEST(BackendUse, TcpModeCannotDoWhatNeedsRequests) {
  constexpr unsigned kBackendLine = 14;
  Sample hash;
  hash.put("[[backend]]", "balance = \"hash:header:X-User\"");
  EXPECT_TRUE(
      only(hash.problems(), kBackendLine, "'mode = \"tcp\"' cannot do for listener 'main'"));
  Sample tls;
  tls.put("[[backend]]", "tls = true");
  EXPECT_TRUE(only(tls.problems(), kBackendLine, "'mode = \"tcp\"' cannot do for listener 'main'"));
  Sample pool;
  pool.put("[[backend]]", "pool_idle = 1");
  EXPECT_TRUE(only(pool.problems(), kBackendLine, "has no effect with 'mode = \"tcp\"'"));
  pool.append(std::string(kRedirect) + "[[listener.route]]\npath = \"/x\"\nbackend = \"app\"\n");
  EXPECT_EQ(pool.problems(), Messages()) << "another listener uses it";
}

TEST(BackendUse, APooledConnectionHasNoProxyHeader) {
  Sample sample = http_sample();
  sample.put("[[backend]]", "proxy_protocol = \"v2\"");
  EXPECT_EQ(sample.problems(), Messages());
  sample.put("[[backend]]", "tls = true");
  EXPECT_EQ(sample.problems(), Messages());
}

}  // namespace
}  // namespace usher::config
