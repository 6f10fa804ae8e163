#include <algorithm>

#include "proxy/base/units.h"
#include "proxy/config/sections.h"

namespace usher::config {
namespace {

using namespace std::chrono_literals;

// Short enough for a trial that wants to see rotations, long enough that the main loop has other
// work.
constexpr DurationRange kKeyAge{100ms, kYear};
constexpr std::int64_t kPerHandshakeMax = 16;
// A ring holds 64 keys: these, `next`, and some rotations by hand.
constexpr std::int64_t kRotationsKeptMax = 60;

std::string in_quotes(Milliseconds duration) {
  return '"' + format_duration(duration) + '"';
}

std::string_view word_of(TicketSource source) {
  switch (source) {
    case TicketSource::kEmbedded:
      return "embedded";
    case TicketSource::kKeyd:
      return "keyd";
    case TicketSource::kFile:
      return "file";
    case TicketSource::kOff:
      return "off";
  }
  return "off";
}

void read_max_age(Section& section, std::string_view key, const Tickets& tickets,
                  std::optional<Milliseconds>& to) {
  Milliseconds written = *to;
  section.duration(key, written, kKeyAge);
  const bool has_default = tickets.source == TicketSource::kEmbedded;
  to = section.has(key) || has_default ? std::optional(written) : std::nullopt;
}

void read_keyd(Section& section, Tickets& to) {
  section.texts("keyd", to.keyd, kKeydEndpoint);
  section.text("keyd_user", to.keyd_user, kUserName);
  section.text("ca", to.ca, kOptionalFile);
  section.text("cert", to.cert, kOptionalFile);
  section.text("key", to.key, kOptionalFile);
  section.duration("wait", to.wait, {});
  to.keyd_place = section.findings().place(section.line("keyd"));
  to.user_place = section.findings().place(section.line("keyd_user"));
  to.tls_place = section.findings().place(section.line("ca"));
}

// What a key of another source is worth to a person who changes `source` for a while: a word, not
// an error.
void warn_of_idle_keys(Section& section, const Tickets& tickets) {
  struct Key {
    std::string_view name;
    TicketSource source;
    bool is_set;
  };
  const Tickets usual;
  const Key keys[] = {
      {"rotate_every", TicketSource::kEmbedded, tickets.rotate_every != usual.rotate_every},
      {"keyd", TicketSource::kKeyd, !tickets.keyd.empty()},
      {"keyd_user", TicketSource::kKeyd, !tickets.keyd_user.empty()},
      {"ca", TicketSource::kKeyd, !tickets.ca.empty()},
      {"cert", TicketSource::kKeyd, !tickets.cert.empty()},
      {"key", TicketSource::kKeyd, !tickets.key.empty()},
      {"wait", TicketSource::kKeyd, tickets.wait != usual.wait},
      {"file", TicketSource::kFile, !tickets.file.empty()}};
  for (const Key& key : keys) {
    const bool refused = tickets.source == TicketSource::kKeyd && key.name == "rotate_every";
    if (key.is_set && key.source != tickets.source && !refused) {
      section.findings().warning(section.line(key.name),
                                 section.shown(key.name) + " has no effect while 'source' is \"" +
                                     std::string(word_of(tickets.source)) + "\"");
    }
  }
}

void check_keyd(Section& section, const Tickets& tickets) {
  if (tickets.keyd.empty()) {
    section.problem(section.line("source"),
                    "'source = \"keyd\"' needs 'keyd'; expected the endpoints of usher-keyd, such "
                    "as [\"unix:/run/usher-keyd/keyd.sock\"]; add them");
  }
  // The ring brings them (DESIGN §5): two policies in one fleet would lose resumptions.
  for (const std::string_view key : {"rotate_every", "seal_max_age", "open_max_age"}) {
    if (section.has(key)) {
      section.problem(section.line(key),
                      section.shown(key) +
                          " cannot be set while 'source' is \"keyd\": keyd's [rotation] holds for "
                          "the whole fleet; expected it there only; remove it");
    }
  }
  const bool has_tls = std::ranges::any_of(
      tickets.keyd, [](const std::string& endpoint) { return endpoint.starts_with("tls:"); });
  const std::pair<std::string_view, const std::string*> files[] = {
      {"ca", &tickets.ca}, {"cert", &tickets.cert}, {"key", &tickets.key}};
  for (const auto& [key, path] : files) {
    if (has_tls && path->empty()) {
      section.problem(section.line("keyd"),
                      "a tls: endpoint needs '" + std::string(key) +
                          "'; expected a PEM file in 'ca', 'cert' and 'key' each: keyd and proxy "
                          "know each other by certificates; add it");
    }
    if (!has_tls && !path->empty()) {
      section.findings().warning(
          section.line(key),
          section.shown(key) + " has no effect: no endpoint of 'keyd' begins with \"tls:\"");
    }
  }
}

void check_files(Section& section, const Tickets& tickets) {
  if (tickets.file.empty()) {
    section.problem(section.line("source"),
                    "'source = \"file\"' needs 'file'; expected the key files of nginx (the first "
                    "seals) or the one of HAProxy; add them");
    return;
  }
  if (tickets.open_max_age && !tickets.seal_max_age) {
    section.problem(section.line("open_max_age"),
                    section.shown("open_max_age") +
                        " needs 'seal_max_age', or tickets are sealed that nobody opens; expected "
                        "both or none; add it");
  }
  if (!tickets.seal_max_age) {
    section.findings().warning(
        section.line("file"),
        "keys of files have no age limit here: whoever gets a file can read what its tickets "
        "protect, until it is replaced; set seal_max_age and open_max_age, and watch "
        "usher_ticket_key_age_seconds");
  }
}

}  // namespace

void read_tickets(Section& section, Tickets& to) {
  to.place = section.findings().place(section.line());
  section.choice("source", to.source,
                 {{"embedded", TicketSource::kEmbedded},
                  {"keyd", TicketSource::kKeyd},
                  {"file", TicketSource::kFile},
                  {"off", TicketSource::kOff}});
  section.integer("per_handshake", to.per_handshake, 1, kPerHandshakeMax);
  section.duration("rotate_every", to.rotate_every, kKeyAge);
  read_max_age(section, "seal_max_age", to, to.seal_max_age);
  read_max_age(section, "open_max_age", to, to.open_max_age);
  read_keyd(section, to);
  section.texts("file", to.file, kFile);
  to.file_place = section.findings().place(section.line("file"));
  section.finish();
  if (!section.good({"source"})) {
    return;
  }
  warn_of_idle_keys(section, to);
  if (to.source == TicketSource::kKeyd && section.good({"keyd", "ca", "cert", "key"})) {
    check_keyd(section, to);
  }
  if (to.source == TicketSource::kFile && section.good({"file", "seal_max_age", "open_max_age"})) {
    check_files(section, to);
  }
}

namespace {

// The section and line that a person would change first.
unsigned line_of(const Section& section, std::string_view first, std::string_view second) {
  return section.line(section.has(first) ? first : second);
}

void check_against_rotation(Section& section, const Tickets& tickets) {
  if (*tickets.seal_max_age <= tickets.rotate_every) {
    section.problem(line_of(section, "seal_max_age", "rotate_every"),
                    "seal_max_age is " + in_quotes(*tickets.seal_max_age) +
                        "; expected more than rotate_every = " + in_quotes(tickets.rotate_every) +
                        ", or no tickets are sealed before the next key comes; raise it");
  }
  if (*tickets.open_max_age > tickets.rotate_every * kRotationsKeptMax) {
    section.problem(line_of(section, "rotate_every", "open_max_age"),
                    "open_max_age = " + in_quotes(*tickets.open_max_age) + " holds more than " +
                        std::to_string(kRotationsKeptMax) +
                        " keys; expected open_max_age to be at most 60 times rotate_every = " +
                        in_quotes(tickets.rotate_every) + "; rotate less often");
  }
}

}  // namespace

void check_ticket_ages(Section& tickets_section, const Tickets& tickets, const Section& tls_section,
                       const Tls& tls) {
  const bool checked_here =
      tickets.source == TicketSource::kEmbedded || tickets.source == TicketSource::kFile;
  if (!checked_here || !tickets.seal_max_age || !tickets.open_max_age ||
      !tickets_section.good({"source", "rotate_every", "seal_max_age", "open_max_age"}) ||
      !tls_section.good({"session_lifetime"})) {
    return;  // no keys, no limits, or ages that nobody wrote
  }
  if (tickets.source == TicketSource::kEmbedded) {
    check_against_rotation(tickets_section, tickets);
  }
  const Milliseconds least = *tickets.seal_max_age + tls.session_lifetime;
  if (*tickets.open_max_age < least) {
    const bool by_tickets =
        tickets_section.has("open_max_age") || tickets_section.has("seal_max_age");
    tickets_section.problem(
        by_tickets ? line_of(tickets_section, "open_max_age", "seal_max_age")
                   : tls_section.line("session_lifetime"),
        "open_max_age is " + in_quotes(*tickets.open_max_age) +
            "; expected at least seal_max_age + tls.session_lifetime = " + in_quotes(least) +
            ", or tickets outlive their key; raise it or shorten the others");
  }
}

}  // namespace usher::config
