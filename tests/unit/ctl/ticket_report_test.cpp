#include "proxy/ctl/ticket_report.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

namespace usher::ctl {
namespace {

using nlohmann::json;
using tls::TicketVerdict;

constexpr std::int64_t kNow = 1'795'273'323;  // 2026-11-21 15:02:03 UTC

std::vector<std::byte> filled(std::size_t size, unsigned value) {
  return std::vector<std::byte>(size, static_cast<std::byte>(value));
}

// name aa…, IV bb…, two blocks cc…, MAC dd…
std::vector<std::byte> ticket_bytes() {
  std::vector<std::byte> ticket;
  for (const auto& part :
       {filled(16, 0xaa), filled(16, 0xbb), filled(32, 0xcc), filled(32, 0xdd)}) {
    ticket.insert(ticket.end(), part.begin(), part.end());
  }
  return ticket;
}

tls::DecodedTicket decoded_as(TicketVerdict verdict) {
  tls::DecodedTicket decoded;
  decoded.verdict = verdict;
  decoded.key_name.fill(std::byte{0xaa});
  return decoded;
}

tls::DecodedTicket opened() {
  tls::DecodedTicket decoded = decoded_as(TicketVerdict::kOpened);
  decoded.epoch = 7;
  decoded.ticket_cipher = "AES-256-CBC";
  decoded.session = tls::DecodedSession{
      .protocol = "TLSv1.3",
      .cipher = "TLS_AES_128_GCM_SHA256",
      .time = UnixSeconds(std::chrono::seconds(kNow - 60)),
      .timeout = std::chrono::hours(6),
      .sni = "site.test",
      .alpn = "h2",
      .lineage_start = UnixSeconds(std::chrono::seconds(kNow - 3600)),
      .domain = filled(4, 0x0d),
      .own_domain = {},
      .client_subject = "CN=anna",
  };
  return decoded;
}

std::string text_of_ticket(const std::optional<tls::DecodedTicket>& decoded) {
  const auto ticket = ticket_bytes();
  return ticket_text(*split_ticket(ticket), decoded, kNow);
}

json json_of_ticket(const std::optional<tls::DecodedTicket>& decoded) {
  const auto ticket = ticket_bytes();
  return ticket_json(*split_ticket(ticket), decoded);
}

TEST(TicketParts, AreThoseOfRfc5077) {
  const auto ticket = ticket_bytes();
  const auto parts = split_ticket(ticket);
  ASSERT_TRUE(parts);
  EXPECT_TRUE(std::ranges::equal(parts->name, filled(16, 0xaa)));
  EXPECT_TRUE(std::ranges::equal(parts->iv, filled(16, 0xbb)));
  EXPECT_TRUE(std::ranges::equal(parts->encrypted, filled(32, 0xcc)));
  EXPECT_TRUE(std::ranges::equal(parts->mac, filled(32, 0xdd)));
}

TEST(TicketParts, ATicketWithoutWholeBlocksIsTruncated) {
  for (std::size_t size = 0; size <= 200; ++size) {
    const bool whole = size >= 80 && size % 16 == 0;
    const auto bytes = filled(size, 1);
    const auto parts = split_ticket(bytes);
    ASSERT_EQ(parts.has_value(), whole) << size;
    if (!whole) {
      EXPECT_NE(parts.error().message.find("the ticket is truncated"), std::string::npos);
    }
  }
}

TEST(TicketReport, WithoutKeysOnlyWhatNeedsNone) {
  EXPECT_EQ(text_of_ticket(std::nullopt),
            "key name   aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
            "IV         bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\n"
            "encrypted  32 bytes\n"
            "MAC        " +
                hex(filled(32, 0xdd)) + "\n");
  EXPECT_EQ(json_of_ticket(std::nullopt), (json{{"key_name", hex(filled(16, 0xaa))},
                                                {"iv", hex(filled(16, 0xbb))},
                                                {"encrypted_bytes", 32},
                                                {"mac", hex(filled(32, 0xdd))},
                                                {"verdict", "no_keys"}}));
}

TEST(TicketReport, AnOpenedTicketAsText) {
  EXPECT_EQ(text_of_ticket(opened()),
            "key name   aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
            "epoch      7\n"
            "IV         bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\n"
            "encrypted  32 bytes, AES-256-CBC\n"
            "MAC        verified\n"
            "protocol   TLSv1.3\n"
            "suite      TLS_AES_128_GCM_SHA256\n"
            "begun      2026-11-21 15:01:03 UTC (1m ago)\n"
            "lifetime   6h\n"
            "ends       2026-11-21 21:01:03 UTC (in 5h 59m)\n"
            "SNI        site.test\n"
            "ALPN       h2\n"
            "lineage    since 2026-11-21 14:02:03 UTC (1h ago)\n"
            "domain     0d0d0d0d\n"
            "client     CN=anna\n");
}

TEST(TicketReport, AnOpenedTicketAsJson) {
  const json shown = json_of_ticket(opened());
  EXPECT_EQ(shown["verdict"], "opened");
  EXPECT_EQ(shown["epoch"], 7);
  EXPECT_EQ(shown["ticket_cipher"], "AES-256-CBC");
  EXPECT_FALSE(shown.contains("error"));
  EXPECT_EQ(shown["session"], (json{{"protocol", "TLSv1.3"},
                                    {"cipher", "TLS_AES_128_GCM_SHA256"},
                                    {"time", kNow - 60},
                                    {"timeout_seconds", 21600},
                                    {"expires", kNow - 60 + 21600},
                                    {"sni", "site.test"},
                                    {"alpn", "h2"},
                                    {"lineage_start", kNow - 3600},
                                    {"domain", "0d0d0d0d"},
                                    {"own_domain", nullptr},
                                    {"client_subject", "CN=anna"}}));
}

TEST(TicketReport, WhatASessionLacksIsSaid) {
  tls::DecodedTicket decoded = opened();
  decoded.epoch.reset();
  decoded.session->sni.clear();
  decoded.session->alpn.clear();
  decoded.session->client_subject.clear();
  decoded.session->domain.clear();
  decoded.session->lineage_start.reset();
  const std::string text = text_of_ticket(decoded);
  for (const char* line : {"SNI        none\n", "ALPN       none\n", "client     none\n",
                           "domain     none\n", "lineage    none (not a ticket of Usher's)\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
  const json shown = json_of_ticket(decoded);
  EXPECT_EQ(shown["epoch"], nullptr);
  for (const char* member : {"sni", "alpn", "client_subject", "lineage_start"}) {
    EXPECT_EQ(shown["session"][member], nullptr) << member;
  }
  EXPECT_EQ(shown["session"]["domain"], "");
}

TEST(TicketReport, TheDomainBesideAnotherProgramsContext) {
  tls::DecodedTicket decoded = opened();
  decoded.session->own_domain = filled(4, 0x0e);
  EXPECT_NE(text_of_ticket(decoded).find("own domain  0e0e0e0e\n"), std::string::npos);
  EXPECT_EQ(json_of_ticket(decoded)["session"]["own_domain"], "0e0e0e0e");
}

TEST(TicketReport, WhatTheClientChoseReachesNoTerminalRaw) {
  tls::DecodedTicket decoded = opened();
  decoded.session->sni = "\x1b]0;title\x07";
  decoded.session->alpn = "\xff\n";
  decoded.session->client_subject = "CN=\r\x9b";
  const std::string text = text_of_ticket(decoded);
  EXPECT_NE(text.find("\\x1b]0;title\\x07"), std::string::npos);
  EXPECT_TRUE(
      std::ranges::all_of(text, [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); }));
}

struct Failure {
  TicketVerdict verdict;
  keyring::UnknownName unknown;
  const char* word;
  const char* message;
  const char* mac;
};

TEST(TicketReport, EveryFailureHasItsOwnWords) {
  using keyring::UnknownName;
  const Failure cases[] = {
      {TicketVerdict::kBadMac, UnknownName::kForeign, "bad_mac", "bad MAC: ", "DOES NOT VERIFY"},
      {TicketVerdict::kNoSession, UnknownName::kForeign, "no_session", "the MAC verifies, but",
       "verified"},
      {TicketVerdict::kTooShort, UnknownName::kForeign, "truncated", "the ticket is truncated",
       "not verified"},
      {TicketVerdict::kUnknownKey, UnknownName::kForeign, "unknown_key",
       "wrong keys: none of those given is named", "not verified: no key of this name"},
      {TicketVerdict::kUnknownKey, UnknownName::kPast, "unknown_key", "expired or revoked",
       "not verified: no key of this name"},
      {TicketVerdict::kUnknownKey, UnknownName::kFuture, "unknown_key", "newer than the keys given",
       "not verified: no key of this name"},
  };
  for (const Failure& one : cases) {
    tls::DecodedTicket decoded = decoded_as(one.verdict);
    decoded.unknown = one.unknown;
    const auto verdict = verdict_of(decoded);
    ASSERT_FALSE(verdict) << one.message;
    EXPECT_NE(verdict.error().message.find(one.message), std::string::npos)
        << verdict.error().message;
    const json shown = json_of_ticket(decoded);
    EXPECT_EQ(shown["verdict"], one.word);
    EXPECT_EQ(shown["error"], verdict.error().message);
    EXPECT_EQ(shown["session"], nullptr);
    EXPECT_EQ(shown.contains("unknown"), one.verdict == TicketVerdict::kUnknownKey);
    EXPECT_NE(text_of_ticket(decoded).find(one.mac), std::string::npos) << one.mac;
  }
  EXPECT_TRUE(verdict_of(opened()));
}

}  // namespace
}  // namespace usher::ctl
