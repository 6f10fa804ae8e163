#pragma once

#include <map>
#include <string>
#include <string_view>

#include "proxy/config/config.h"
#include "proxy/config/section.h"

// One function per table of the file. Each fills its part of the configuration and tells what is
// wrong with it, also against what was read before it; parse() calls them in the order that this
// needs.
namespace usher::config {

void read_process(Section& section, Process& to);
void read_log(Section& section, Log& to);
void read_log_lines(Section& section, Log& to);  // all but the access log; not to the end
void read_admin(Section& section, Admin& to);
void read_tls(Section& section, Tls& to);
void read_tickets(Section& section, Tickets& to);
void read_session_cache(Section& section, SessionCache& to);
// The ages of ticket keys against each other and against the sessions that tickets carry (DESIGN
// §5).
void check_ticket_ages(Section& tickets_section, const Tickets& tickets, const Section& tls_section,
                       const Tls& tls);

// The caches against where their keys come from (DESIGN §6), and against the protocol versions.
void check_session_cache(Section& section, const SessionCache& cache,
                         const Section& tickets_section, const Tickets& tickets,
                         const Section& tls_section, const Tls& tls);

// What all [[listener]] or all [[backend]] share: each name and address with the line that took it
// first.
using Taken = std::map<std::string, unsigned, std::less<>>;

void read_backend(Section& section, Backend& to, Taken& names);

struct ListenerSurroundings {
  const Taken& backends;
  bool backends_named;  // every [[backend]] has a good name, so a name that is not there is a
                        // mistake
  Taken& backends_used;
  Taken& names;
  Taken& addresses;
};
void read_listener(Section& section, Listener& to, ListenerSurroundings surroundings);
// What only the HTTP modes have: routes, forwarding, limits. After read_listener has read the mode.
void read_http(Section& section, Listener& to, const ListenerSurroundings& surroundings);
// The listeners against the backends that they use: what of a backend a mode cannot do, or what is
// for another mode only.
void check_backend_use(const Config& config, Findings& findings);

// Reads `key`, the name of a [[backend]] that must exist, and notes that it is used.
void refer_to_backend(Section& section, std::string_view key, std::string& to,
                      const ListenerSurroundings& surroundings);

// Keys that are silently without effect are how a site believes itself protected.
void refuse_without_effect(Section& section, std::string_view key, std::string_view condition,
                           std::string_view cure);

// Tells when `value`, the value of `key`, was taken before; takes it else.
void take_once(Section& section, std::string_view key, const std::string& value, Taken& taken,
               std::string_view advice);

}  // namespace usher::config
