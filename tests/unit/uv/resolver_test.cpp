#include "proxy/uv/resolver.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/uv/support/loop_test.h"

namespace usher::uv {
namespace {

class ResolverTest : public LoopTest {
 protected:
  using Answer = Result<std::vector<SocketAddress>>;

  Answer resolve(const std::string& host) {
    Resolver resolver(loop_);
    std::optional<Answer> answer;
    resolver.resolve(host, 8080, [&](Answer found) {
      answer.emplace(std::move(found));
      loop_.stop();
    });
    EXPECT_FALSE(answer.has_value()) << "inside resolve()";
    run();
    return answer ? *std::move(answer) : Answer(fail("no answer"));
  }
};

TEST_F(ResolverTest, FindsLocalhostWithThePortSet) {
  const Answer answer = resolve("localhost");
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_TRUE(std::ranges::any_of(*answer, [](const SocketAddress& address) {
    return address.to_string() == "127.0.0.1:8080" || address.to_string() == "[::1]:8080";
  }));
}

TEST_F(ResolverTest, NoAddressComesTwice) {
  const Answer answer = resolve("localhost");
  ASSERT_TRUE(answer);
  for (const SocketAddress& address : *answer) {
    EXPECT_EQ(std::ranges::count(*answer, address), 1) << address.to_string();
  }
}

TEST_F(ResolverTest, LiteralsResolveToThemselves) {
  const Answer v4 = resolve("192.0.2.7");
  ASSERT_TRUE(v4) << v4.error().message;
  ASSERT_EQ(v4->size(), 1U);
  EXPECT_EQ(v4->front().to_string(), "192.0.2.7:8080");
  const Answer v6 = resolve("2001:db8::7");
  ASSERT_TRUE(v6) << v6.error().message;
  ASSERT_EQ(v6->size(), 1U);
  EXPECT_EQ(v6->front().to_string(), "[2001:db8::7]:8080");
}

TEST_F(ResolverTest, UnknownNamesFailWithTheirName) {
  const Answer answer = resolve("nobody-has-this-name.invalid");
  ASSERT_FALSE(answer);
  EXPECT_NE(answer.error().message.find("cannot resolve 'nobody-has-this-name.invalid': "),
            std::string::npos)
      << answer.error().message;
}

TEST_F(ResolverTest, ImpossibleNamesFailFromTheLoopToo) {
  const Answer answer = resolve(std::string(5000, 'a'));
  ASSERT_FALSE(answer);
  EXPECT_NE(answer.error().message.find("cannot resolve 'aaa"), std::string::npos);
}

TEST_F(ResolverTest, DestroyingItCancels) {
  bool called = false;
  {
    Resolver resolver(loop_);
    for (int i = 0; i < 20; ++i) {  // more than the pool has threads: some wait, some run
      resolver.resolve("localhost", 1, [&](const Answer&) { called = true; });
    }
    resolver.resolve(std::string(5000, 'a'), 1, [&](const Answer&) { called = true; });
  }
  turn(50);
  EXPECT_FALSE(called);
}

TEST_F(ResolverTest, ACallbackMayDestroyIt) {
  auto resolver = std::make_unique<Resolver>(loop_);
  int calls = 0;
  for (int i = 0; i < 3; ++i) {
    resolver->resolve("127.0.0.1", 1, [&](const Answer&) {
      ++calls;
      resolver.reset();
      loop_.stop();
    });
  }
  run();
  turn(50);
  EXPECT_EQ(calls, 1);
}

// A worker may end while names are being looked up: libuv's threads still write into the loop.
TEST(Resolver, TheLoopMayBeDestroyedWhileNamesAreLookedUp) {
  for (int round = 0; round < 20; ++round) {
    Loop loop;
    Resolver resolver(loop);
    resolver.resolve("localhost", 1, [](const auto&) { FAIL(); });
  }
}

}  // namespace
}  // namespace usher::uv
