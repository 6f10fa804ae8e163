#include "proxy/ctl/session_commands.h"

#include "proxy/ctl/session_text.h"
#include "proxy/ctl/text.h"

namespace usher::ctl {

Result<void> show_sessions(const Daemon& daemon, const Console& console) {
  const auto sessions = daemon.get("/sessions");
  if (!sessions) {
    return Unexpected(sessions.error());
  }
  console.show(*sessions, [&] { return sessions_text(*sessions); });
  return {};
}

Result<void> flush_sessions(const Daemon& daemon, const Console& console) {
  const auto outcome = daemon.post("/sessions/flush");
  if (!outcome) {
    return Unexpected(outcome.error());
  }
  console.show(*outcome, [&] {
    return count_text(outcome->at("flushed").get<std::uint64_t>(), "session") +
           " flushed from memory; what Redis holds stays: `keys revoke` invalidates it\n";
  });
  return {};
}

}  // namespace usher::ctl
