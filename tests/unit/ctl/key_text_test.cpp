#include "proxy/ctl/key_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/ctl/support/has.h"

namespace usher::ctl {
namespace {

using nlohmann::json;

// GET /keys as CONTRACT's control API has it, of a proxy with its own keys.
json embedded() {
  return json::parse(R"({
    "source": "embedded", "fleet": "adab4a46", "term": 1, "version": 7, "digest": "00",
    "seal_max_age_seconds": 10800.0, "open_max_age_seconds": 32400.0, "lineage_not_before": null,
    "keys": [
      {"name": "d018a1261fdb6bf6f813bdb7f6a96b0e", "epoch": 3, "state": "next",
       "age_seconds": 0.4, "seals": false, "opens": true},
      {"name": "4a1773b454f556f097e8b0847eeeb49b", "epoch": 2, "state": "current",
       "age_seconds": 182.0, "seals": true, "opens": true},
      {"name": "cd52996341c91aa996e9ab1c5dc157cf", "epoch": 1, "state": "previous",
       "age_seconds": 36000.0, "seals": false, "opens": false}],
    "workers": [{"worker": 0, "term": 1, "version": 7}, {"worker": 1, "term": 1, "version": 7}]})");
}

// Of a leading usher-keyd whose promotion waits for a node.
json leader() {
  json keys = embedded();
  keys.erase("workers");
  keys["source"] = "keyd-daemon";
  keys["leading"] = true;
  keys["leader"] = "keyd-1";
  keys["store_up"] = true;
  keys["held"] = {{"seconds", 3.2}, {"waiting_for", {"b", "c"}}};
  keys["members"] = json::parse(R"([
    {"node": "a", "instance": "0011223344556677", "applied": {"term": 1, "version": 7},
     "current": true, "connected": true, "last_heard_seconds": 0.4},
    {"node": "b", "instance": "8899aabbccddeeff", "applied": null,
     "current": false, "connected": false, "last_heard_seconds": 75.0}])");
  return keys;
}

TEST(KeysText, KeysOfAProxy) {
  EXPECT_EQ(keys_text(embedded()),
            "source     embedded\n"
            "ring       term 1, version 7, fleet adab4a46\n"
            "keys seal  until 3h old\n"
            "keys open  until 9h old\n"
            "workers    all 2 read 1/7\n"
            "\n"
            "NAME      EPOCH  STATE       AGE  SEALS  OPENS\n"
            "d018a126      3  next       0.4s  no     yes\n"
            "4a1773b4      2  current   3m 2s  yes    yes\n"
            "cd529963      1  previous    10h  no     no\n");
}

TEST(KeysText, AWorkerThatIsBehindIsNamed) {
  json keys = embedded();
  keys["workers"][1]["version"] = 6;
  EXPECT_TRUE(has(keys_text(keys), "workers    worker 1 reads 1/6\n"));
  keys["workers"][0] = {{"worker", 0}, {"term", 0}, {"version", 0}};
  EXPECT_TRUE(has(keys_text(keys), "worker 0 reads -, worker 1 reads 1/6\n"));
}

TEST(KeysText, WithoutKeysAndLimits) {
  json keys = embedded();
  keys["keys"] = json::array();
  keys["fleet"] = nullptr;
  keys["seal_max_age_seconds"] = nullptr;
  keys["open_max_age_seconds"] = nullptr;
  const std::string text = keys_text(keys);
  EXPECT_TRUE(has(text, "ring       term 1, version 7\n")) << text;
  EXPECT_TRUE(has(text, "keys seal  without limit\nkeys open  without limit\n")) << text;
  EXPECT_TRUE(has(text, "\nno keys\n")) << text;
}

TEST(KeysText, ARevocationIsShown) {
  json keys = embedded();
  keys["lineage_not_before"] = 1'795'273'323;
  EXPECT_TRUE(has(keys_text(keys), "revoked    what began until 2026-11-21 15:02:03 UTC\n"));
}

TEST(KeysText, FilesOfAProxy) {
  json keys = embedded();
  keys["source"] = "file";
  keys["files"] = {"/etc/a.key", "/etc/b\n.key"};
  EXPECT_TRUE(has(keys_text(keys), "files      /etc/a.key, /etc/b\\x0a.key\n"));
}

TEST(KeysText, EndpointsOfAProxy) {
  json keys = embedded();
  keys["source"] = "keyd";
  keys["endpoints"] = json::parse(R"([
    {"endpoint": "unix:/run/keyd.sock", "connected": true, "peer": "uid=0 pid=7", "term": 1,
     "version": 7, "error": ""},
    {"endpoint": "tls:b:7443", "connected": false, "peer": "", "term": 1, "version": 6,
     "error": "connection refused\u001b"},
    {"endpoint": "tls:c:7443", "connected": false, "peer": "", "term": 0, "version": 0,
     "error": ""}])");
  EXPECT_TRUE(has(keys_text(keys),
                  "KEYD                 RING  CONNECTION\n"
                  "unix:/run/keyd.sock  1/7   uid=0 pid=7\n"
                  "tls:b:7443           1/6   connection refused\\x1b\n"
                  "tls:c:7443           -     connecting\n"));
}

TEST(KeysText, ALeaderWhosePromotionIsHeld) {
  const std::string text = keys_text(leader());
  EXPECT_TRUE(has(text,
                  "leader     this keyd\n"
                  "store      up\n"
                  "promotion  held for 3.2s, waiting for b, c\n"))
      << text;
  EXPECT_TRUE(has(text,
                  "\nNODE  INSTANCE  APPLIED  CURRENT  CONNECTED       HEARD\n"
                  "a     00112233  1/7      yes      yes          0.4s ago\n"
                  "b     8899aabb  -        no       no         1m 15s ago\n"))
      << text;
}

TEST(KeysText, NothingIsHeld) {
  json keys = leader();
  keys["held"] = nullptr;
  keys["members"] = json::array();
  const std::string text = keys_text(keys);
  EXPECT_FALSE(has(text, "promotion")) << text;
  EXPECT_TRUE(has(text, "\nno nodes\n")) << text;
}

TEST(KeysText, AStandbyNamesItsLeader) {
  json keys = leader();
  keys["leading"] = false;
  keys["store_up"] = false;
  EXPECT_TRUE(has(keys_text(keys), "leader     keyd-1; this keyd stands by\nstore      DOWN\n"));
  keys["leader"] = "";
  EXPECT_TRUE(has(keys_text(keys), "leader     nobody known\n"));
}

TEST(KeysText, AnotherVersionsAnswerThrows) {
  json keys = embedded();
  keys.erase("seal_max_age_seconds");
  EXPECT_THROW(keys_text(keys), json::exception);
  EXPECT_THROW(keys_text(json{{"keys", 7}}), json::exception);
  json member = leader();
  member["members"][0].erase("applied");
  EXPECT_THROW(keys_text(member), json::exception);
}

TEST(MembersTable, NamesOfNodesReachNoTerminalRaw) {
  json members = leader()["members"];
  members[0]["node"] = "a\x1b[2J";
  EXPECT_TRUE(has(members_table(members), "a\\x1b[2J  00112233"));
}

TEST(ShortNames, TellTheKeysApart) {
  EXPECT_EQ(short_name_size({}), 8u);
  EXPECT_EQ(short_name_size({"0123456789ab"}), 8u);
  EXPECT_EQ(short_name_size({"0123456789ab", "ffff456789ab"}), 8u);
  EXPECT_EQ(short_name_size({"0123456789ab", "ffff", "0123456789cd"}), 11u);
}

TEST(WholeName, OfTheBeginning) {
  for (const char* prefix : {"4a17", "4a1773b4", "4A1773B4", "4a1773b454f556f097e8b0847eeeb49b"}) {
    const auto name = whole_name(prefix, embedded());
    ASSERT_TRUE(name) << prefix;
    EXPECT_EQ(*name, "4a1773b454f556f097e8b0847eeeb49b");
  }
}

TEST(WholeName, OfSeveralKeysAreListed) {
  json keys = embedded();
  keys["keys"][2]["name"] = "4a1773ffffffffffffffffffffffffff";
  const auto name = whole_name("4a17", keys);
  ASSERT_FALSE(name);
  EXPECT_EQ(name.error().message,
            "4a17 is the beginning of several names; give more digits:\n"
            "  4a1773b454f556f097e8b0847eeeb49b\n"
            "  4a1773ffffffffffffffffffffffffff");
}

TEST(WholeName, RefusesWhatIsNone) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "is no key name"},
      {"4a1", "is no key name"},
      {"4a1g", "is no key name"},
      {"4a1773b454f556f097e8b0847eeeb49b0", "is no key name"},
      {"4a17\n\x1b", "\"4a17\\x0a\\x1b\" is no key name"},
      {"ffff", "no key's name begins with ffff"},
  };
  for (const auto& [prefix, why] : cases) {
    const auto name = whole_name(prefix, embedded());
    ASSERT_FALSE(name) << prefix;
    EXPECT_TRUE(has(name.error().message, why)) << name.error().message;
  }
}

}  // namespace
}  // namespace usher::ctl
