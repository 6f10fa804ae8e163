#include "keyd/config.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

namespace usher::keyd {
namespace {

// The parts of a good file; a test replaces one line of it.
const std::string kGood = R"([keyd]
listen = ["unix:/run/k/keyd.sock"]
[tls]

[rotation]

[store]
path = "/var/k/state"
key_file = "/etc/k/key"
[log]

)";

TEST(KeydConfig, DefaultsAreContractsOnes) {
  const auto config = parse(kGood, "k.toml");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->keyd.socket, "/run/usher-keyd/ctl.sock");
  EXPECT_EQ(config->keyd.admin, "127.0.0.1:9465");
  EXPECT_EQ(config->keyd.fleet, "default");
  EXPECT_EQ(config->rotation.every, std::chrono::hours(1));
  EXPECT_EQ(config->rotation.seal_max_age, std::chrono::hours(3));
  EXPECT_EQ(config->rotation.keep, std::chrono::hours(9));
  EXPECT_EQ(config->rotation.promote_hold_max, std::chrono::minutes(10));
  EXPECT_EQ(config->store.kind, StoreKind::kFile);
  EXPECT_EQ(config->store.lease, std::chrono::seconds(10));
  EXPECT_TRUE(config->warnings.empty());
}

TEST(KeydConfig, TheExamplesAreGood) {
  const auto root = std::filesystem::path(__FILE__).parent_path() / "../../..";
  const auto config = load((root / "conf/usher-keyd.toml").string());
  ASSERT_TRUE(config) << config.error().messages.front();
  EXPECT_TRUE(config->warnings.empty());
  EXPECT_EQ(config->store.key_file, "credential:key");
  const auto smallest = load((root / "conf/minimal-keyd.toml").string());
  ASSERT_TRUE(smallest) << smallest.error().messages.front();
  EXPECT_TRUE(smallest->warnings.empty());
}

TEST(KeydConfig, TlsListenersNameTheirAddress) {
  std::string text = kGood;
  text.replace(text.find("\"unix"), 0, "\"tls:[::1]:7443\", ");
  text.replace(text.find("[tls]\n") + 6, 0,
               "ca = \"/a\"\ncert = \"/b\"\nkey = \"/c\"\nallow = [\"proxy-*.example\"]\n");
  const auto config = parse(text, "k.toml");
  ASSERT_TRUE(config) << config.error().messages.front();
  ASSERT_EQ(config->keyd.listen.size(), 2U);
  EXPECT_TRUE(config->keyd.listen[0].path.empty());
  EXPECT_EQ(config->keyd.listen[0].address.to_string(), "[::1]:7443");
  EXPECT_EQ(config->keyd.listen[1].path, "/run/k/keyd.sock");
}

struct Bad {
  const char* name;
  const char* section;  // after whose head `line` is put
  const char* line;
  int at;  // the line that is named
  const char* told;
};
class BadKeydConfig : public testing::TestWithParam<Bad> {};

TEST_P(BadKeydConfig, IsRefusedWithItsLine) {
  const Bad& bad = GetParam();
  std::string text = kGood;
  const std::string head = std::string("[") + bad.section + "]\n";
  text.replace(text.find(head) + head.size(), 0, std::string(bad.line) + "\n");
  const auto config = parse(text, "k.toml");
  ASSERT_FALSE(config);
  const std::string& message = config.error().messages.front();
  EXPECT_TRUE(message.starts_with("k.toml:" + std::to_string(bad.at) + ": ")) << message;
  EXPECT_NE(message.find(bad.told), std::string::npos) << message;
}

INSTANTIATE_TEST_SUITE_P(
    Lines, BadKeydConfig,
    testing::Values(
        Bad{"unknown_key", "keyd", "listne = []", 2, "listen"},
        Bad{"socket_of_two", "keyd", "socket = \"/run/k/keyd.sock\"", 2, "two"},
        Bad{"fleet_with_braces", "keyd", "fleet = \"a}b\"", 2, "letters"},
        Bad{"relative_socket", "keyd", "socket = \"run/ctl.sock\"", 2, "absolute"},
        Bad{"no_user_name", "keyd", "allow_users = [\"\"]", 2, "user"},
        Bad{"rotates_too_often", "rotation", "every = \"1m\"", 6, "60"},
        Bad{"seals_too_short", "rotation", "seal_max_age = \"30m\"", 6, "more than every"},
        Bad{"keeps_too_short", "rotation", "keep = \"2h\"", 6, "at least"},
        Bad{"no_duration", "rotation", "every = 5", 6, "every"},
        Bad{"unknown_store", "store", "kind = \"etcd\"", 8, "redis"},
        Bad{"redis_without_url", "store", "kind = \"redis\"", 7, "redis"},
        Bad{"redis_cluster", "store",
            "kind = \"redis\"\nredis = [\"redis://a:1\", \"redis://b:1\"]", 9, "later version"},
        Bad{"lease_too_short", "store", "lease = \"1ms\"", 8, "lease"},
        Bad{"access_log", "log", "access = \"stdout\"", 11, "access"}),
    [](const auto& line) { return line.param.name; });

TEST(KeydConfig, ABadUrlIsNotRepeated) {
  std::string text = kGood;
  text.replace(text.find("[store]\n") + 8, 0, "kind = \"redis\"\nredis = \"redis://u:hunter2@\"\n");
  const auto config = parse(text, "k.toml");
  ASSERT_FALSE(config);
  for (const std::string& message : config.error().messages) {
    EXPECT_EQ(message.find("hunter2"), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace usher::keyd
