#include "proxy/ctl/status_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/unit/ctl/support/has.h"

namespace usher::ctl {
namespace {

using nlohmann::json;

constexpr std::int64_t kNow = 1'795'273'323;

json proxy_status() {
  return json::parse(R"({
    "state": "ready", "node": "a", "version": "0.1.0", "openssl": "3.0.22",
    "started": 1795273141, "config": "u.toml", "generation": 2, "workers": 2,
    "connections": {"open": 3, "max": 100},
    "tickets": {"term": 1, "version": 7, "keys": [{}], "seals": true},
    "sessions": {"memory": {"entries": 7, "max": 100},
                 "redis": {"nodes": [{"up": true, "breaker_open": false},
                                     {"up": true, "breaker_open": true}]}},
    "reloads": {"begun": 1, "ok": 1, "failed": 0, "last_error": ""},
    "listeners": [{"name": "main", "address": "127.0.0.1:443", "mode": "http", "backend": "app",
                   "certificates": [{"not_after": 1795359723}, {"not_after": 1795273383}]}],
    "backends": [{"name": "app", "servers": [
      {"address": "127.0.0.1:1", "up": true, "ejected_by_workers": 0},
      {"address": "127.0.0.1:2", "up": true, "ejected_by_workers": 0}]}]})");
}

TEST(StatusText, OfAProxy) {
  EXPECT_EQ(status_text(proxy_status(), kNow),
            "state        ready\n"
            "node         a\n"
            "version      0.1.0\n"
            "openssl      3.0.22\n"
            "up           3m 2s\n"
            "config       u.toml\n"
            "generation   2\n"
            "workers      2\n"
            "connections  3 open of 100\n"
            "tickets      ring term 1, version 7: 1 key, sealing\n"
            "sessions     7 of 100 in memory; Redis: 1 of 2 nodes usable\n"
            "reloads      1 ok, 0 failed\n"
            "\n"
            "LISTENER  ADDRESS        MODE  BACKEND  CERTIFICATES\n"
            "main      127.0.0.1:443  http  app      2, the first expires in 1m\n"
            "\n"
            "BACKEND  SERVERS\n"
            "app      127.0.0.1:1, 127.0.0.1:2\n");
}

TEST(StatusText, WhatIsWrongIsSaid) {
  json status = proxy_status();
  status["tickets"]["seals"] = false;
  status["reloads"]["failed"] = 1;
  status["reloads"]["last_error"] = "u.toml:3: \x1b bad";
  status["listeners"][0]["certificates"] = {{{"not_after", kNow - 60}}};
  status["backends"][0]["servers"][0]["up"] = false;
  status["backends"][0]["servers"][1]["ejected_by_workers"] = 2;
  const std::string text = status_text(status, kNow);
  EXPECT_TRUE(has(text, "127.0.0.1:1 (down), 127.0.0.1:2 (ejected by 2 workers)\n")) << text;
  EXPECT_TRUE(has(text, "1 key, NOT sealing\n")) << text;
  EXPECT_TRUE(has(text, "1 ok, 1 failed; the last failed: u.toml:3: \\x1b bad\n")) << text;
  EXPECT_TRUE(has(text, "1, EXPIRED 1m ago\n")) << text;
}

TEST(StatusText, WithoutKeysAndCertificates) {
  json status = proxy_status();
  status["tickets"]["keys"] = json::array();
  status["listeners"][0]["certificates"] = json::array();
  const std::string text = status_text(status, kNow);
  EXPECT_TRUE(has(text, "tickets      no keys\n")) << text;
  EXPECT_TRUE(has(text, "app      0\n")) << text;
}

TEST(StatusText, OfADaemonWithOtherMembers) {
  const json status = {{"state", "leading"},      {"started", kNow - 1},  {"members", 3},
                       {"store_up", true},        {"fleet\n", "default"}, {"nothing", nullptr},
                       {"structured", {{"a", 1}}}};
  EXPECT_EQ(status_text(status, kNow),
            "state      leading\n"
            "up         1s\n"
            "fleet\\x0a  default\n"
            "members    3\n"
            "store_up   true\n");
}

TEST(StatusText, AnotherVersionsAnswerThrows) {
  json status = proxy_status();
  status["listeners"][0].erase("certificates");
  EXPECT_THROW(status_text(status, kNow), json::exception);
}

}  // namespace
}  // namespace usher::ctl
