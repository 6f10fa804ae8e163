#include "proxy/server/control_pages.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "proxy/keyring/key_words.h"
#include "proxy/keyring/rotation.h"
#include "proxy/server/admin_pages.h"

namespace usher::server {
namespace {

using keyring::KeyFileFormat;
using nlohmann::json;

constexpr const char* kName = "00112233445566778899aabbccddeeff";

SecretBuffer secret(std::string_view text) {
  SecretBuffer buffer(text.size());
  std::ranges::copy(bytes_of(text), buffer.bytes().begin());
  return buffer;
}

// Records what it was asked for; refuses everything once `refusal` is set.
class FakeKeys final : public KeyControl {
 public:
  KeyStatus key_status() const override { return status; }
  Result<Changed, KeyRefusal> rotate() override { return done("rotate", 0); }
  Result<Changed, KeyRefusal> revoke(const keyring::KeyName& name) override {
    return done("revoke " + hex(name), 0);
  }
  Result<Changed, KeyRefusal> import_keys(KeyFileFormat format, SecretBuffer bytes,
                                          bool replace) override {
    return done("import " + std::to_string(static_cast<int>(format)) + " " +
                    std::string(text_of(bytes.bytes())) + (replace ? " replace" : ""),
                3);
  }
  Result<SecretBuffer, KeyRefusal> export_keys(KeyFileFormat format) override {
    auto asked_for = done("export " + std::to_string(static_cast<int>(format)), 0);
    return asked_for ? Result<SecretBuffer, KeyRefusal>(secret("the file"))
                     : Unexpected(asked_for.error());
  }

  Result<Changed, KeyRefusal> done(std::string what, std::size_t keys) {
    asked.push_back(std::move(what));
    if (refusal) {
      return Unexpected(*refusal);
    }
    return Changed{{2, 9}, keys};
  }

  KeyStatus status;
  std::optional<KeyRefusal> refusal;
  std::vector<std::string> asked;
};

class ControlPagesTest : public ::testing::Test {
 protected:
  ControlPagesTest() {
    keys_.status.source = "embedded";
    keys_.status.ring = std::make_shared<const keyring::KeyRing>();
  }

  std::optional<admin::Response> ask(const std::string& method, const std::string& target,
                                     std::string_view body = "",
                                     admin::Access access = admin::Access::kChange) {
    admin::Request request;
    request.access = access;
    request.method = method;
    request.path = target.substr(0, target.find('?'));
    request.query =
        target.find('?') == std::string::npos ? "" : target.substr(target.find('?') + 1);
    request.body = secret(body);
    return pages_.respond(request);
  }

  // Status and JSON body of a page that must be there.
  std::pair<int, json> answer(const std::string& method, const std::string& target,
                              std::string_view body = "") {
    const auto response = ask(method, target, body);
    EXPECT_TRUE(response) << target;
    return {response->status, json::parse(response->body)};
  }

  void expect_error(const std::string& target, std::string_view body, const std::string& why) {
    const auto [status, error] = answer("POST", target, body);
    EXPECT_EQ(status, 400) << target;
    EXPECT_NE(error["error"].get<std::string>().find(why), std::string::npos) << error;
    EXPECT_TRUE(keys_.asked.empty()) << keys_.asked.front();
  }

  ServerStatus status_;
  FakeKeys keys_;
  int reloads_ = 0;
  int drains_ = 0;
  metrics::Registry registry_;
  SessionCaches sessions_{registry_, 2};
  ControlPages pages_{keys_, sessions_, {[this] { ++reloads_; }, [this] { ++drains_; }}, status_};
};

TEST_F(ControlPagesTest, OthersPagesAreNotTheirs) {
  EXPECT_FALSE(ask("GET", "/status"));
  EXPECT_FALSE(ask("POST", "/keys/"));
  EXPECT_FALSE(ask("GET", "/"));
}

TEST_F(ControlPagesTest, SessionsAreShownAndFlushed) {
  sessions_.memory().set_entries_max(100);
  const std::array<std::byte, 32> id{};
  const auto now = BootClock::now();
  (void)sessions_.memory().put(id, bytes_of("sealed"), now + std::chrono::hours(1), now);
  EXPECT_EQ(answer("GET", "/sessions").second["memory"]["entries"], 1);
  EXPECT_EQ(answer("GET", "/sessions/flush").first, 405);
  EXPECT_EQ(answer("POST", "/sessions/flush").second, json({{"flushed", 1}}));
  EXPECT_EQ(answer("GET", "/sessions").second["memory"]["entries"], 0);
  EXPECT_FALSE(ask("GET", "/sessions", "", admin::Access::kNone));
}

TEST_F(ControlPagesTest, NodesAreElsewhere) {
  EXPECT_EQ(answer("GET", "/nodes").first, 404);
  const json refusal = answer("POST", "/nodes/forget", R"({"node": "a"})").second;
  EXPECT_NE(refusal["error"].get<std::string>().find("usher-keyd"), std::string::npos);
}

TEST_F(ControlPagesTest, NothingForThoseWhoComeByTcp) {
  EXPECT_FALSE(ask("GET", "/keys", "", admin::Access::kPages));
  EXPECT_FALSE(ask("GET", "/keys/rotate", "", admin::Access::kPages));
  EXPECT_TRUE(ask("GET", "/keys", "", admin::Access::kRead));
}

TEST_F(ControlPagesTest, WrongMethods) {
  for (const char* page :
       {"/keys/rotate", "/keys/revoke", "/keys/export", "/keys/import", "/reload", "/drain"}) {
    for (const char* method : {"GET", "HEAD"}) {
      const auto response = ask(method, page, "", admin::Access::kRead);
      ASSERT_TRUE(response);
      EXPECT_EQ(response->status, 405) << page;
      EXPECT_EQ(response->allow, "POST");
    }
  }
  const auto response = ask("POST", "/keys");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 405);
  EXPECT_EQ(response->allow, "GET, HEAD");
  EXPECT_TRUE(keys_.asked.empty());
  EXPECT_EQ(reloads_ + drains_, 0);
}

TEST_F(ControlPagesTest, KeysOfEachSource) {
  keys_.status.workers = {{2, 9}, {2, 8}};
  auto [status, embedded] = answer("GET", "/keys");
  EXPECT_EQ(status, 200);
  EXPECT_EQ(embedded["source"], "embedded");
  EXPECT_EQ(embedded["workers"], json::parse(R"([{"worker":0,"term":2,"version":9},
                                                 {"worker":1,"term":2,"version":8}])"));
  EXPECT_FALSE(embedded.contains("endpoints"));

  keys_.status.source = "file";
  keys_.status.files = {"/etc/a.key", "/etc/b.key"};
  EXPECT_EQ(answer("GET", "/keys").second["files"], json({"/etc/a.key", "/etc/b.key"}));

  keys_.status.source = "keyd";
  keys_.status.endpoints = {{"unix:/run/k.sock", true, "uid=0 pid=7", {2, 9}, ""},
                            {"tls:k.example:7443", false, "", {}, "connection refused"}};
  json keyd = answer("GET", "/keys").second;
  EXPECT_EQ(keyd["digest"], nullptr);
  EXPECT_EQ(keyd["endpoints"][0],
            json::parse(R"({"endpoint":"unix:/run/k.sock","connected":true,"peer":"uid=0 pid=7",
                            "term":2,"version":9,"error":""})"));
  EXPECT_EQ(keyd["endpoints"][1]["error"], "connection refused");
  keys_.status.pushed_digest.emplace().fill(std::byte{0xab});
  keyd = answer("GET", "/keys").second;
  EXPECT_EQ(keyd["digest"].get<std::string>().substr(0, 8), "abababab");
}

TEST_F(ControlPagesTest, Rotate) {
  const json done = json::parse(R"({"promoted":true,"term":2,"version":9})");
  EXPECT_EQ(answer("POST", "/keys/rotate"), std::pair(200, done));
  EXPECT_EQ(answer("POST", "/keys/rotate?now=1"), std::pair(200, done));
  EXPECT_EQ(keys_.asked, (std::vector<std::string>{"rotate", "rotate"}));
  keys_.asked.clear();
  expect_error("/keys/rotate?now=maybe", "", "0 or 1");
  expect_error("/keys/rotate?force=1", "", "force");
}

TEST_F(ControlPagesTest, Revoke) {
  const auto [status, done] =
      answer("POST", "/keys/revoke", R"({"name": "00112233445566778899AABBCCDDEEFF"})");
  EXPECT_EQ(status, 200);
  EXPECT_EQ(done["promoted"], true);
  EXPECT_EQ(keys_.asked, std::vector<std::string>{std::string("revoke ") + kName});
}

TEST_F(ControlPagesTest, RevokeNeedsAWholeName) {
  for (const char* body : {"", "{}", "[]", "null", "{", R"({"name": 7})", R"({"name": ""})",
                           R"({"name": "0011"})", R"({"name": "zz112233445566778899aabbccddeeff"})",
                           R"({"nam": "00112233445566778899aabbccddeeff"})",
                           R"({"name": "00112233445566778899aabbccddeeff", "now": true})"}) {
    expect_error("/keys/revoke", body, "32 hex digits");
  }
}

TEST_F(ControlPagesTest, ExportIsSecret) {
  const auto response = ask("POST", "/keys/export", R"({"format": "haproxy"})");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->content_type, "application/octet-stream");
  EXPECT_EQ(response->body, "");
  EXPECT_EQ(text_of(response->secret_body.bytes()), "the file");
  keys_.asked.clear();
  expect_error("/keys/export", R"({"format": "hitch"})", "usher, nginx or haproxy");
  expect_error("/keys/export", "usher", "usher, nginx or haproxy");
}

TEST_F(ControlPagesTest, Import) {
  const auto [status, done] =
      answer("POST", "/keys/import?format=nginx&replace=1", "\x01\x02 the bytes");
  EXPECT_EQ(status, 200);
  EXPECT_EQ(done, json::parse(R"({"imported":3,"term":2,"version":9})"));
  const std::string nginx = std::to_string(static_cast<int>(KeyFileFormat::kNginx));
  EXPECT_EQ(keys_.asked,
            std::vector<std::string>{"import " + nginx + " \x01\x02 the bytes replace"});
  keys_.asked.clear();
  EXPECT_EQ(answer("POST", "/keys/import?format=nginx", "x").first, 200);
  EXPECT_EQ(keys_.asked, std::vector<std::string>{"import " + nginx + " x"});
  keys_.asked.clear();
  expect_error("/keys/import?format=nginx", "", "empty");
  expect_error("/keys/import", "x", "format");
  expect_error("/keys/import?format=pem", "x", "format");
  expect_error("/keys/import?format=nginx&replaze=1", "x", "replaze");
  expect_error("/keys/import?format=nginx&replace=yes", "x", "0 or 1");
}

TEST_F(ControlPagesTest, RefusalsReachTheOperator) {
  keys_.refusal = KeyRefusal{409, "the keys come from usher-keyd (unix:/k.sock)"};
  const std::pair<const char*, std::string> kChanges[] = {
      {"/keys/rotate", ""},
      {"/keys/revoke", std::string(R"({"name": ")") + kName + R"("})"},
      {"/keys/export", R"({"format": "usher"})"},
      {"/keys/import?format=usher", "x"}};
  for (const auto& [page, body] : kChanges) {
    EXPECT_EQ(answer("POST", page, body),
              std::pair(409, json{{"error", "the keys come from usher-keyd (unix:/k.sock)"}}));
  }
  EXPECT_EQ(keys_.asked.size(), 4u);
}

TEST_F(ControlPagesTest, ReloadTellsWhichOutcomeIsItsOwn) {
  EXPECT_EQ(answer("POST", "/reload"), std::pair(202, json{{"reload", 1}}));
  status_.reloads_begun = 4;  // under way or done: the next one will read the file after us
  EXPECT_EQ(answer("POST", "/reload"), std::pair(202, json{{"reload", 5}}));
  EXPECT_EQ(reloads_, 2);
  status_.draining = true;
  EXPECT_EQ(answer("POST", "/reload").first, 409);
  EXPECT_EQ(reloads_, 2);
}

TEST_F(ControlPagesTest, NothingToReloadWithoutAFile) {
  status_.generation = std::make_shared<Generation>();
  EXPECT_EQ(answer("POST", "/reload").first, 409);
  EXPECT_EQ(reloads_, 0);
}

TEST_F(ControlPagesTest, Drain) {
  EXPECT_EQ(answer("POST", "/drain"), std::pair(202, json::object()));
  EXPECT_EQ(drains_, 1);
}

}  // namespace
}  // namespace usher::server
