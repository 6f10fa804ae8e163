// Names become addresses without blocking; what was good stays when a look-up fails.
#include "proxy/backend/directory.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace usher::backend {
namespace {

config::Backend backend_of(std::vector<config::BackendServer> servers) {
  config::Backend backend;
  backend.name = "web";
  backend.servers = std::move(servers);
  return backend;
}

TEST(Directory, LiteralAddressesAreThereAtOnce) {
  uv::Loop loop;
  const Directory directory(loop, backend_of({{"127.0.0.1", 80, 1}, {"::1", 81, 1}}));
  const auto endpoints = directory.endpoints()->latest();
  ASSERT_EQ(endpoints->size(), 2U);
  EXPECT_EQ((*endpoints)[0].at(0).to_string(), "127.0.0.1:80");
  EXPECT_EQ((*endpoints)[1].at(0).to_string(), "[::1]:81");
}

TEST(Directory, StartAnswersAtOnceWithoutNames) {
  uv::Loop loop;
  Directory directory(loop, backend_of({{"127.0.0.1", 80, 1}}));
  bool answered = false;
  directory.start([&] { answered = true; });
  EXPECT_TRUE(answered);
}

TEST(Directory, NamesAreResolvedFromTheLoop) {
  uv::Loop loop;
  Directory directory(loop, backend_of({{"localhost", 8080, 1}, {"127.0.0.9", 80, 1}}));
  EXPECT_TRUE(directory.endpoints()->latest()->at(0).empty());
  bool answered = false;
  directory.start([&] {
    answered = true;
    loop.stop();
  });
  EXPECT_FALSE(answered);
  loop.run();
  EXPECT_TRUE(answered);
  const auto endpoints = directory.endpoints()->latest();
  const auto local = *SocketAddress::parse("127.0.0.1:8080");
  EXPECT_NE(std::ranges::find(endpoints->at(0), local), endpoints->at(0).end());
  EXPECT_EQ(endpoints->at(1).size(), 1U);
}

TEST(Directory, AReloadKeepsWhatIsKnownOfAName) {
  uv::Loop loop;
  std::vector<std::unique_ptr<Directory>> in_force;
  in_force.push_back(std::make_unique<Directory>(
      loop, backend_of({{"127.0.0.9", 80, 1}, {"localhost", 8080, 1}})));
  in_force[0]->start([&] { loop.stop(); });
  loop.run();
  const auto known = in_force[0]->endpoints()->latest()->at(1);
  ASSERT_FALSE(known.empty());

  const Directory next(
      loop, backend_of({{"localhost", 8080, 1}, {"localhost", 8081, 1}, {"new.invalid", 8080, 1}}),
      std::vector<const Directory*>{in_force[0].get()});
  const auto endpoints = next.endpoints()->latest();
  EXPECT_EQ(endpoints->at(0), known);
  EXPECT_TRUE(endpoints->at(1).empty()) << "another port";
  EXPECT_TRUE(endpoints->at(2).empty());
}

TEST(Directory, ANameThatNeverResolvesIsAnsweredToo) {
  uv::Loop loop;
  // A label of 64 characters is refused before any server is asked (RFC 1035 §2.3.4).
  Directory directory(loop, backend_of({{std::string(64, 'x') + ".invalid", 80, 1}}));
  bool answered = false;
  directory.start([&] {
    answered = true;
    loop.stop();
  });
  loop.run();
  EXPECT_TRUE(answered);
  EXPECT_TRUE(directory.endpoints()->latest()->at(0).empty());
}

}  // namespace
}  // namespace usher::backend
