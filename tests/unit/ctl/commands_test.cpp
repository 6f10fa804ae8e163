#include "proxy/ctl/commands.h"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>

#include "proxy/ctl/key_commands.h"
#include "tests/unit/ctl/support/fake_daemon.h"
#include "tests/unit/ctl/support/test_directory.h"

namespace usher::ctl {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using test::FakeDaemon;
using test::http;

constexpr const char* kName = "4a1773b454f556f097e8b0847eeeb49b";

json keys_with(const char* state, int version) {
  return {{"term", 1},
          {"version", version},
          {"keys", {{{"name", kName}, {"epoch", 8}, {"state", state}}}}};
}

// Command lines run against a daemon that answers what the test says.
class Commands : public testing::Test {
 protected:
  struct Outcome {
    std::string shown;
    std::string error;  // "": success
  };

  Outcome run_line(const std::string& words) {
    CLI::App app;
    CommandLine line;
    add_commands(app, line);
    app.parse("--socket " + path_ + " " + words);
    Outcome outcome;
    const Console console(line.json, [&](std::string_view text) { outcome.shown += text; });
    const auto done = run(line, console);
    outcome.error = done ? "" : done.error().message;
    return outcome;
  }

  // A daemon that answers every request alike.
  Outcome run_line(const std::string& words, const std::string& answer) {
    const FakeDaemon daemon(path_, [&](const auto&) { return answer; });
    Outcome outcome = run_line(words);
    requests_ = daemon.requests();
    std::filesystem::remove(path_);
    return outcome;
  }

  const test::TestDirectory directory_;
  const std::string path_ = directory_ / "ctl.sock";
  std::vector<FakeDaemon::Request> requests_;
};

TEST_F(Commands, NodesAreShown) {
  const json answer = {{"members",
                        {{{"node", "a"},
                          {"instance", "0011223344556677"},
                          {"applied", {{"term", 2}, {"version", 9}}},
                          {"current", true},
                          {"connected", false},
                          {"last_heard_seconds", 42.0}}}}};
  EXPECT_EQ(run_line("nodes show", http(200, answer)).shown,
            "NODE  INSTANCE  APPLIED  CURRENT  CONNECTED    HEARD\n"
            "a     00112233  2/9      yes      no         42s ago\n");
  EXPECT_EQ(requests_.at(0).line, "GET /nodes");
  EXPECT_EQ(json::parse(run_line("nodes show --json", http(200, answer)).shown), answer);
  EXPECT_EQ(run_line("nodes show", http(200, json{{"members", json::array()}})).shown,
            "no nodes\n");
}

TEST_F(Commands, SessionsAreFlushedAndCounted) {
  const Outcome done = run_line("sessions flush", http(200, json{{"flushed", 2}}));
  EXPECT_EQ(done.error, "");
  EXPECT_EQ(done.shown,
            "2 sessions flushed from memory; what Redis holds stays: `keys revoke` invalidates "
            "it\n");
  EXPECT_EQ(requests_.at(0).line, "POST /sessions/flush");
  const Outcome refused =
      run_line("sessions stats", http(404, json{{"error", "usher-keyd keeps no sessions"}}));
  EXPECT_NE(refused.error.find("usher-keyd keeps no sessions"), std::string::npos);
  EXPECT_EQ(requests_.at(0).line, "GET /sessions");
}

TEST_F(Commands, ANodeIsForgotten) {
  const Outcome done = run_line("nodes forget a\x1b\"b", http(200, json::object()));
  EXPECT_EQ(done.error, "");
  EXPECT_EQ(done.shown, "forgotten: a\\x1b\"b\n");
  EXPECT_EQ(requests_.at(0).line, "POST /nodes/forget");
  EXPECT_EQ(json::parse(requests_.at(0).body), (json{{"node", "a\x1b\"b"}}));
}

TEST_F(Commands, ANameThatIsNoUtf8IsAnErrorNotACrash) {
  const Outcome done = run_line("nodes forget \xff\xfe", http(200, json::object()));
  EXPECT_EQ(done.error, "names are UTF-8; what was given is not");
  EXPECT_TRUE(requests_.empty());
}

TEST_F(Commands, ARefusalIsToldInTheDaemonsWords) {
  EXPECT_EQ(run_line("keys rotate", http(409, json{{"error",
                                                    "the leader is \x1b"
                                                    "b"}}))
                .error,
            "the leader is \\x1bb");
  EXPECT_EQ(run_line("keys rotate", http(500, "text/plain", "oops")).error,
            "the daemon answered with HTTP status 500");
  EXPECT_EQ(run_line("keys rotate", http(500, json::array({1}))).error,
            "the daemon answered with HTTP status 500");
}

TEST_F(Commands, AnAnswerOfAnotherShape) {
  for (const char* words : {"status", "keys show", "keys rotate", "nodes show", "reload"}) {
    EXPECT_NE(run_line(words, http(200, "text/html", "<html>")).error.find("no JSON object"),
              std::string::npos)
        << words;
  }
  for (const char* words :
       {"keys show", "keys rotate", "nodes show", "reload", "keys revoke 4a17"}) {
    EXPECT_NE(run_line(words, http(200, json::object())).error.find("of another shape"),
              std::string::npos)
        << words;
  }
}

TEST_F(Commands, ARotationThatIsDoneAtOnce) {
  const json answer = {{"promoted", true}, {"term", 1}, {"version", 9}};
  EXPECT_EQ(run_line("keys rotate", http(200, answer)).shown,
            "a new key seals: ring term 1, version 9\n");
  EXPECT_EQ(requests_.at(0).line, "POST /keys/rotate");
  EXPECT_EQ(json::parse(run_line("--json keys rotate --now", http(200, answer)).shown), answer);
  EXPECT_EQ(requests_.at(0).line, "POST /keys/rotate?now=1");
}

TEST_F(Commands, ARotationIsFollowedToItsPromotion) {
  int looks = 0;
  const FakeDaemon daemon(path_, [&](const FakeDaemon::Request& request) {
    if (request.line == "POST /keys/rotate") {
      return http(202, {{"promoted", false}, {"next_epoch", 8}, {"waiting_for", {"a", "b"}}});
    }
    return http(200, ++looks < 3 ? keys_with("next", 8) : keys_with("current", 9));
  });
  const Outcome done = run_line("keys rotate");
  EXPECT_EQ(done.error, "");
  EXPECT_EQ(done.shown, "a new key seals: ring term 1, version 9\n");
  EXPECT_EQ(looks, 3);
}

TEST_F(Commands, APromotionThatIsHeldNamesWhomItWaitsFor) {
  const FakeDaemon daemon(path_, [&](const FakeDaemon::Request& request) {
    if (request.line == "POST /keys/rotate") {
      return http(202, {{"promoted", false}, {"next_epoch", 8}, {"waiting_for", {"a", "b"}}});
    }
    json keys = keys_with("next", 8);
    keys["held"] = {{"seconds", 1.0}, {"waiting_for", {"b\n"}}};
    return http(200, keys);
  });
  const Console console(false, [](std::string_view text) { ADD_FAILURE() << text; });
  const auto done = rotate_keys(Daemon(ControlClient(path_)), console, false, 200ms);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().message.find(
                "the key of epoch 8 opens, but does not seal yet: waiting for b\\x0a\n"),
            0u)
      << done.error().message;
}

TEST_F(Commands, ARevocationSendsTheWholeName) {
  const FakeDaemon daemon(path_, [&](const FakeDaemon::Request& request) {
    return request.line == "GET /keys"
               ? http(200, keys_with("current", 9))
               : http(200, {{"promoted", true}, {"term", 1}, {"version", 10}});
  });
  const Outcome done = run_line("keys revoke 4A17");
  EXPECT_EQ(done.error, "");
  EXPECT_NE(done.shown.find(kName), std::string::npos) << done.shown;
  EXPECT_EQ(json::parse(daemon.requests().at(1).body), (json{{"name", kName}}));
  EXPECT_NE(run_line("keys revoke ffff").error.find("no key's name begins with ffff"),
            std::string::npos);
}

TEST_F(Commands, AnExportIsAFileOfItsOwn) {
  const std::string file = directory_ / "out";
  const std::string words = "keys export --format usher --secret-keys --out " + file;
  const std::string answer = http(200, "application/octet-stream", "key bytes");
  const Outcome done = run_line(words, answer);
  EXPECT_EQ(done.error, "");
  EXPECT_EQ(done.shown.find("key bytes"), std::string::npos);
  EXPECT_EQ(test::content_of(file), "key bytes");
  EXPECT_EQ(json::parse(requests_.at(0).body), (json{{"format", "usher"}}));

  EXPECT_NE(run_line(words, answer).error.find("it exists already"), std::string::npos);
  EXPECT_TRUE(requests_.empty());  // no keys left the daemon
  const Outcome again =
      run_line(words + " --replace --json", http(200, "application/octet-stream", "2"));
  EXPECT_EQ(json::parse(again.shown), (json{{"file", file}, {"bytes", 1}, {"format", "usher"}}));
  EXPECT_EQ(test::content_of(file), "2");
}

TEST_F(Commands, AnExportThatIsNoKeyFileIsNotWritten) {
  const std::string file = directory_ / "out";
  const std::string words = "keys export --format usher --secret-keys --out " + file;
  EXPECT_NE(run_line(words, http(200, json::object())).error.find("is no key file"),
            std::string::npos);
  EXPECT_EQ(run_line(words, http(409, json{{"error", "no next key"}})).error, "no next key");
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST_F(Commands, AnImportSendsTheFilesBytes) {
  const std::string file = directory_ / "in";
  test::write_file(file, std::string("raw\0bytes", 9));
  const json answer = {{"imported", 1}, {"term", 1}, {"version", 9}};
  const std::string words = "keys import --format nginx " + file;
  EXPECT_EQ(run_line(words, http(200, answer)).shown, "1 key imported: ring term 1, version 9\n");
  EXPECT_EQ(requests_.at(0).line, "POST /keys/import?format=nginx");
  EXPECT_EQ(requests_.at(0).body, std::string("raw\0bytes", 9));
  EXPECT_EQ(json::parse(run_line(words + " --replace --json", http(200, answer)).shown), answer);
  EXPECT_EQ(requests_.at(0).line, "POST /keys/import?format=nginx&replace=1");
  test::write_file(file, std::string(64 * 1024 + 1, 'x'));
  EXPECT_NE(run_line(words, http(200, answer)).error.find("more than 65536 bytes"),
            std::string::npos);
  EXPECT_TRUE(requests_.empty());
}

TEST_F(Commands, AReloadIsFollowedToItsOwnEnd) {
  int looks = 0;
  const FakeDaemon daemon(path_, [&](const FakeDaemon::Request& request) {
    if (request.line == "POST /reload") {
      return http(202, {{"reload", 2}});
    }
    // The first one is another's, and failed.
    const json reloads = ++looks < 3 ? json{{"ok", 0}, {"failed", 1}, {"last_error", "other's"}}
                                     : json{{"ok", 1}, {"failed", 1}, {"last_error", ""}};
    return http(200, {{"state", "ready"}, {"generation", 5}, {"reloads", reloads}});
  });
  const Outcome done = run_line("reload");
  EXPECT_EQ(done.error, "");
  EXPECT_EQ(done.shown, "reloaded: generation 5 is in force\n");
}

TEST_F(Commands, AReloadThatFailsSaysWhy) {
  const FakeDaemon daemon(path_, [&](const FakeDaemon::Request& request) {
    return request.line == "POST /reload"
               ? http(202, {{"reload", 1}})
               : http(200,
                      {{"state", "ready"},
                       {"reloads", {{"ok", 0}, {"failed", 1}, {"last_error", "u.toml:3: bad"}}}});
  });
  const Outcome done = run_line("reload");
  EXPECT_EQ(done.shown, "");
  EXPECT_EQ(done.error.find("u.toml:3: bad\n"), 0u) << done.error;
}

TEST_F(Commands, ADrainTellsHowManyConnectionsAreLeft) {
  const FakeDaemon daemon(path_, [&](const FakeDaemon::Request& request) {
    return request.line == "POST /drain"
               ? http(202, json::object())
               : http(200, {{"state", "draining"}, {"connections", {{"open", 1}}}});
  });
  EXPECT_EQ(run_line("drain").shown, "draining: 1 connection open\n");
}

TEST_F(Commands, ADrainWithoutConnectionsEndsTheDaemon) {
  std::unique_ptr<FakeDaemon> daemon;
  daemon = std::make_unique<FakeDaemon>(path_, [&](const FakeDaemon::Request&) {
    std::filesystem::remove(path_);  // as a daemon that ends does
    return http(202, json::object());
  });
  const Outcome done = run_line("--json drain");
  EXPECT_EQ(json::parse(done.shown), (json{{"state", "ended"}}));
}

TEST_F(Commands, TheLineIsChecked) {
  for (const char* words :
       {"bogus", "keys bogus", "keys rotate --soon", "keys rotate extra", "keys revoke",
        "keys revoke 4a1", "keys revoke xyzw", "keys export --format usher --out f",
        "keys export --secret-keys --out f", "keys export --format usher --secret-keys",
        "keys export --format pem --secret-keys --out f", "keys import f",
        "keys import --format usher", "nodes forget", "ticket decode", "status reload",
        "ticket decode 00 --format usher", "ticket decode 00 --keys"}) {
    CLI::App app;
    CommandLine line;
    add_commands(app, line);
    EXPECT_THROW(app.parse(words), CLI::ParseError) << words;
  }
  for (const char* words : {"", "keys", "nodes", "ticket", "--json"}) {
    CLI::App app;
    CommandLine line;
    add_commands(app, line);
    app.parse(words);
    EXPECT_FALSE(line.command) << words;
  }
}

}  // namespace
}  // namespace usher::ctl
