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

}  // namespace

void read_tickets(Section& section, Tickets& to) {
  to.place = section.findings().place(section.line());
  section.choice("source", to.source,
                 {{"embedded", TicketSource::kEmbedded}, {"off", TicketSource::kOff}},
                 {"keyd", "file"});
  section.integer("per_handshake", to.per_handshake, 1, kPerHandshakeMax);
  section.duration("rotate_every", to.rotate_every, kKeyAge);
  section.duration("seal_max_age", to.seal_max_age, kKeyAge);
  section.duration("open_max_age", to.open_max_age, kKeyAge);
  section.later({{"keyd", NoTexts{}},
                 {"keyd_user", ""},
                 {"ca", ""},
                 {"cert", ""},
                 {"key", ""},
                 {"wait", 10s},
                 {"file", NoTexts{}}});
  section.finish();
}

void check_ticket_ages(const Section& tickets_section, const Tickets& tickets,
                       const Section& tls_section, const Tls& tls, Findings& findings) {
  if (tickets.source == TicketSource::kOff ||
      !tickets_section.good({"source", "rotate_every", "seal_max_age", "open_max_age"}) ||
      !tls_section.good({"session_lifetime"})) {
    return;  // no keys, or ages that nobody wrote
  }
  const auto line_of = [&](std::string_view first, std::string_view second) {
    return tickets_section.line(tickets_section.has(first) ? first : second);
  };
  if (tickets.seal_max_age <= tickets.rotate_every) {
    findings.problem(line_of("seal_max_age", "rotate_every"),
                     "seal_max_age is " + in_quotes(tickets.seal_max_age) +
                         "; expected more than rotate_every = " + in_quotes(tickets.rotate_every) +
                         ", or no tickets are sealed before the next key comes; raise it");
  }
  if (tickets.open_max_age > tickets.rotate_every * kRotationsKeptMax) {
    findings.problem(line_of("rotate_every", "open_max_age"),
                     "open_max_age = " + in_quotes(tickets.open_max_age) + " holds more than " +
                         std::to_string(kRotationsKeptMax) +
                         " keys; expected open_max_age to be at most 60 times rotate_every = " +
                         in_quotes(tickets.rotate_every) + "; rotate less often");
  }
  const Milliseconds least = tickets.seal_max_age + tls.session_lifetime;
  if (tickets.open_max_age < least) {
    const bool by_tickets =
        tickets_section.has("open_max_age") || tickets_section.has("seal_max_age");
    findings.problem(
        by_tickets ? line_of("open_max_age", "seal_max_age") : tls_section.line("session_lifetime"),
        "open_max_age is " + in_quotes(tickets.open_max_age) +
            "; expected at least seal_max_age + tls.session_lifetime = " + in_quotes(least) +
            ", or tickets outlive their key; raise it or shorten the others");
  }
}

}  // namespace usher::config
