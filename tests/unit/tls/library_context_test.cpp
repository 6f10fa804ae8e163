#include "proxy/tls/library_context.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "tests/unit/tls/support/joined.h"

namespace usher::tls::test {
namespace {

// Sets OPENSSL_CONF for its lifetime.
class ConfigurationFile {
 public:
  explicit ConfigurationFile(const std::string& path) {
    const char* previous = ::getenv("OPENSSL_CONF");
    previous_ = previous == nullptr ? "" : previous;
    had_ = previous != nullptr;
    ::setenv("OPENSSL_CONF", path.c_str(), 1);
  }
  ~ConfigurationFile() {
    had_ ? ::setenv("OPENSSL_CONF", previous_.c_str(), 1) : ::unsetenv("OPENSSL_CONF");
  }
  ConfigurationFile(const ConfigurationFile&) = delete;
  ConfigurationFile& operator=(const ConfigurationFile&) = delete;

 private:
  std::string previous_;
  bool had_ = false;
};

TEST(LibraryContextTest, missing_configuration_is_fine) {
  const TemporaryDirectory directory;
  const ConfigurationFile missing(directory.path() + "/none.cnf");
  EXPECT_TRUE(LibraryContext::create());
}

std::string refusal_of(const std::string& configuration) {
  const TemporaryDirectory directory;
  const ConfigurationFile bad(directory.write("openssl.cnf", configuration));
  const auto context = LibraryContext::create();
  return context ? "created" : context.error().message;
}

TEST(LibraryContextTest, bad_configuration_is_told) {
  EXPECT_TRUE(refusal_of("[unclosed\n").starts_with("openssl.cnf: "));
  // OpenSSL itself takes this for a success that has no algorithms.
  EXPECT_TRUE(refusal_of("openssl_conf = main\n[main]\nproviders = all\n[all]\nnone = none\n"
                         "[none]\nmodule = /nowhere/none.so\nactivate = 1\n")
                  .starts_with("openssl.cnf: "));
}

TEST(LibraryContextTest, default_of_one_thread_for_a_while) {
  const auto own = LibraryContext::create();
  ASSERT_TRUE(own);
  const auto current = [] { return OSSL_LIB_CTX_set0_default(nullptr); };  // null only asks
  OSSL_LIB_CTX* const before = current();
  std::thread worker([&] {
    OSSL_LIB_CTX* const previous = current();
    {
      const LibraryContext::ThreadDefault is_default(**own);
      EXPECT_EQ(current(), (*own)->raw());
      Joined joined(context_of(simple_listener()), {});
      EXPECT_TRUE(joined.handshake());
    }
    EXPECT_EQ(current(), previous);
  });
  worker.join();
  EXPECT_EQ(current(), before);
}

// What workers do: each its own contexts, at the same time (TSan watches).
TEST(LibraryContextTest, two_threads_with_own_contexts) {
  const auto first = LibraryContext::create();
  const auto second = LibraryContext::create();
  ASSERT_TRUE(first && second);
  const auto settings = std::make_shared<const ListenerTls>(simple_listener());
  const auto serve = [&](const LibraryContext& own) {
    const LibraryContext::ThreadDefault is_default(own);
    auto context = build_server_context(own, settings);
    ASSERT_TRUE(context);
    for (int i = 0; i < 5; ++i) {
      Joined joined(*context, {.sni = "localhost"});
      EXPECT_TRUE(joined.handshake());
    }
  };
  std::thread one([&] { serve(**first); });
  std::thread two([&] { serve(**second); });
  one.join();
  two.join();
}

}  // namespace
}  // namespace usher::tls::test
