#include "proxy/config/parse.h"

#include <algorithm>
#include <utility>

#include "proxy/config/document.h"
#include "proxy/config/findings.h"
#include "proxy/config/sections.h"

namespace usher::config {
namespace {

void read_tls_and_sessions(Section& root, Config& to, Findings& findings) {
  Section tls(root.table("tls"), "[tls]", findings);
  read_tls(tls, to.tls);
  Section tickets(root.table("tickets"), "[tickets]", findings);
  read_tickets(tickets, to.tickets);
  check_ticket_ages(tickets, to.tickets, tls, to.tls);
  Section session_cache(root.table("session_cache"), "[session_cache]", findings);
  read_session_cache(session_cache, to.session_cache);
  check_session_cache(session_cache, to.session_cache, tickets, to.tickets, tls, to.tls);
}

// Backends first: listeners refer to them.
void read_listeners_and_backends(Section& root, Config& to, Findings& findings) {
  Taken backends;
  for (const Value* table : root.tables("backend")) {
    Section section(table, "[[backend]]", findings);
    read_backend(section, to.backends.emplace_back(), backends);
  }
  const bool backends_named =
      std::none_of(to.backends.begin(), to.backends.end(),
                   [](const Backend& backend) { return backend.name.empty(); });
  Taken backends_used;
  Taken names;
  Taken addresses;
  const bool complete = root.require("listener", "at least one [[listener]]; add one");
  for (const Value* table : root.tables("listener")) {
    Section section(table, "[[listener]]", findings);
    read_listener(section, to.listeners.emplace_back(),
                  {backends, backends_named, backends_used, names, addresses});
  }
  if (complete && to.listeners.empty() && root.good({"listener"})) {
    root.problem(root.line("listener"), "no listener; expected at least one [[listener]]; add one");
  }
  for (const auto& [name, line] : backends) {
    if (!backends_used.contains(name)) {
      findings.warning(line, "no listener uses backend '" + name + "'; remove it or refer to it");
    }
  }
  check_backend_use(to, findings);
}

void read_root(const Value& document, Config& to, Findings& findings) {
  Section root(&document, "the file", findings);
  Section process(root.table("process"), "[process]", findings);
  read_process(process, to.process);
  Section log(root.table("log"), "[log]", findings);
  read_log(log, to.log);
  Section admin(root.table("admin"), "[admin]", findings);
  read_admin(admin, to.admin);
  read_tls_and_sessions(root, to, findings);
  read_listeners_and_backends(root, to, findings);
  root.finish();
}

}  // namespace

Result<Config, Problems> parse(std::string_view text, const std::string& file_name) {
  Findings findings(file_name);
  Config config;
  config.path = file_name;
  if (const auto document = parse_document(text)) {
    read_root(*document, config, findings);
  } else {
    findings.problem(document.error().line, document.error().message);
  }
  if (findings.problem_count() > 0) {
    return Unexpected(findings.problems());
  }
  config.warnings = findings.warnings();
  return config;
}

}  // namespace usher::config
