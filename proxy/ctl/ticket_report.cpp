#include "proxy/ctl/ticket_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "proxy/ctl/table.h"
#include "proxy/ctl/text.h"

namespace usher::ctl {
namespace {

using nlohmann::json;
using tls::TicketVerdict;

constexpr std::size_t kBlock = 16;
constexpr std::size_t kMacSize = 32;
constexpr std::size_t kBefore = keyring::kNameSize + kBlock;  // the IV is one block
constexpr std::size_t kSmallest = kBefore + kBlock + kMacSize;

const char* word_of(TicketVerdict verdict) {
  switch (verdict) {
    case TicketVerdict::kOpened:
      return "opened";
    case TicketVerdict::kTooShort:
      return "truncated";
    case TicketVerdict::kUnknownKey:
      return "unknown_key";
    case TicketVerdict::kBadMac:
      return "bad_mac";
    case TicketVerdict::kNoSession:
      return "no_session";
  }
  return "truncated";
}

const char* word_of(keyring::UnknownName unknown) {
  switch (unknown) {
    case keyring::UnknownName::kFuture:
      return "future";
    case keyring::UnknownName::kPast:
      return "past";
    case keyring::UnknownName::kForeign:
      return "foreign";
  }
  return "foreign";
}

std::int64_t unix_of(UnixSeconds time) {
  return time.time_since_epoch().count();
}

json text_or_null(const std::string& text) {
  return text.empty() ? json(nullptr) : json(text);
}

json session_json(const tls::DecodedSession& session) {
  return {{"protocol", session.protocol},
          {"cipher", session.cipher},
          {"time", unix_of(session.time)},
          {"timeout_seconds", session.timeout.count()},
          {"expires", unix_of(session.time + session.timeout)},
          {"sni", text_or_null(session.sni)},
          {"alpn", text_or_null(session.alpn)},
          {"lineage_start",
           session.lineage_start ? json(unix_of(*session.lineage_start)) : json(nullptr)},
          {"domain", hex(session.domain)},
          {"own_domain", text_or_null(hex(session.own_domain))},
          {"client_subject", text_or_null(session.client_subject)}};
}

std::string moment_text(UnixSeconds time, std::int64_t now) {
  const std::int64_t at = unix_of(time);
  const auto distance = static_cast<double>(at > now ? at - now : now - at);
  return time_text(at) +
         (at > now ? " (in " + age_text(distance) + ")" : " (" + age_text(distance) + " ago)");
}

std::string text_or_none(const std::string& text) {
  return text.empty() ? "none" : printable(text);
}

void add_session(Table& facts, const tls::DecodedSession& session, std::int64_t now) {
  facts.add({"protocol", printable(session.protocol)});
  facts.add({"suite", printable(session.cipher)});
  facts.add({"begun", moment_text(session.time, now)});
  facts.add({"lifetime", age_text(static_cast<double>(session.timeout.count()))});
  facts.add({"ends", moment_text(session.time + session.timeout, now)});
  facts.add({"SNI", text_or_none(session.sni)});
  facts.add({"ALPN", text_or_none(session.alpn)});
  facts.add({"lineage", session.lineage_start ? "since " + moment_text(*session.lineage_start, now)
                                              : "none (not a ticket of Usher's)"});
  facts.add({"domain", session.domain.empty() ? "none" : hex(session.domain)});
  if (!session.own_domain.empty()) {
    facts.add({"own domain", hex(session.own_domain)});  // the other is nginx's or HAProxy's
  }
  facts.add({"client", text_or_none(session.client_subject)});
}

std::string mac_text(TicketVerdict verdict) {
  switch (verdict) {
    case TicketVerdict::kOpened:
    case TicketVerdict::kNoSession:
      return "verified";
    case TicketVerdict::kBadMac:
      return "DOES NOT VERIFY";
    default:
      return "not verified: no key of this name";
  }
}

}  // namespace

Result<TicketParts> split_ticket(ByteView ticket) {
  if (ticket.size() < kSmallest) {
    return fail(fmt::format(
        "the ticket is truncated: it has {}, the shortest have {} (key name 16, IV 16, a block of "
        "16, HMAC 32)",
        count_text(ticket.size(), "byte"), kSmallest));
  }
  const std::size_t encrypted = ticket.size() - kBefore - kMacSize;
  if (encrypted % kBlock != 0) {
    return fail(
        fmt::format("the ticket is truncated, or not laid out as in RFC 5077 section 4: between IV "
                    "and HMAC are "
                    "{}, not whole blocks of {}",
                    count_text(encrypted, "byte"), kBlock));
  }
  return TicketParts{ticket.first(keyring::kNameSize), ticket.subspan(keyring::kNameSize, kBlock),
                     ticket.subspan(kBefore, encrypted), ticket.last(kMacSize)};
}

json ticket_json(const TicketParts& parts, const std::optional<tls::DecodedTicket>& decoded) {
  json ticket = {{"key_name", hex(parts.name)},
                 {"iv", hex(parts.iv)},
                 {"encrypted_bytes", parts.encrypted.size()},
                 {"mac", hex(parts.mac)},
                 {"verdict", decoded ? word_of(decoded->verdict) : "no_keys"}};
  if (!decoded) {
    return ticket;
  }
  ticket["epoch"] = decoded->epoch ? json(*decoded->epoch) : json(nullptr);
  ticket["ticket_cipher"] = text_or_null(decoded->ticket_cipher);
  ticket["session"] = decoded->session ? session_json(*decoded->session) : json(nullptr);
  if (decoded->verdict == TicketVerdict::kUnknownKey) {
    ticket["unknown"] = word_of(decoded->unknown);
  }
  if (const auto opened = verdict_of(*decoded); !opened) {
    ticket["error"] = opened.error().message;
  }
  return ticket;
}

std::string ticket_text(const TicketParts& parts, const std::optional<tls::DecodedTicket>& decoded,
                        std::int64_t now) {
  Table facts;
  facts.add({"key name", hex(parts.name)});
  if (decoded && decoded->epoch) {
    facts.add({"epoch", std::to_string(*decoded->epoch)});
  }
  facts.add({"IV", hex(parts.iv)});
  facts.add({"encrypted", count_text(parts.encrypted.size(), "byte") +
                              (decoded && !decoded->ticket_cipher.empty()
                                   ? ", " + printable(decoded->ticket_cipher)
                                   : "")});
  facts.add({"MAC", decoded ? mac_text(decoded->verdict) : hex(parts.mac)});
  if (decoded && decoded->session) {
    add_session(facts, *decoded->session, now);
  }
  return facts.to_string();
}

Result<void> verdict_of(const tls::DecodedTicket& decoded) {
  const std::string name = hex(decoded.key_name);
  switch (decoded.verdict) {
    case TicketVerdict::kOpened:
      return {};
    case TicketVerdict::kTooShort:
      return fail("the ticket is truncated");
    case TicketVerdict::kBadMac:
      return fail("bad MAC: the ticket was altered or cut, or the key " + name +
                  " that sealed it had other bytes than the one given");
    case TicketVerdict::kNoSession:
      return fail("the MAC verifies, but what is inside is no session of OpenSSL's");
    case TicketVerdict::kUnknownKey:
      break;
  }
  switch (decoded.unknown) {
    case keyring::UnknownName::kFuture:
      return fail("wrong keys: " + name + " is of this fleet, but newer than the keys given");
    case keyring::UnknownName::kPast:
      return fail("wrong keys: " + name +
                  " is of this fleet, but is not among the keys given: expired or revoked");
    case keyring::UnknownName::kForeign:
      break;
  }
  return fail("wrong keys: none of those given is named " + name);
}

}  // namespace usher::ctl
