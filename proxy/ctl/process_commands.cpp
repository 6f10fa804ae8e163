#include "proxy/ctl/process_commands.h"

#include <fmt/format.h>

#include <chrono>
#include <ctime>
#include <thread>

#include "proxy/ctl/status_text.h"
#include "proxy/ctl/text.h"

namespace usher::ctl {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kReloadPatience(60);  // thousands of certificates take seconds
constexpr std::chrono::seconds kDrainPatience(5);

std::uint64_t open_connections(const json& status) {
  const auto connections = status.find("connections");
  return connections == status.end() ? 0 : connections->value("open", std::uint64_t{0});
}

}  // namespace

Result<void> show_status(const Daemon& daemon, const Console& console) {
  const auto status = daemon.get("/status");
  if (!status) {
    return Unexpected(status.error());
  }
  console.show(*status, [&] { return status_text(*status, std::time(nullptr)); });
  return {};
}

Result<void> reload(const Daemon& daemon, const Console& console) {
  const auto asked = daemon.post("/reload");
  if (!asked) {
    return Unexpected(asked.error());
  }
  const std::uint64_t own = asked->at("reload");
  for (const auto deadline = Clock::now() + kReloadPatience; Clock::now() < deadline;) {
    const auto status = daemon.get("/status");
    if (!status) {
      return Unexpected(status.error());
    }
    const json& reloads = status->at("reloads");
    if (reloads.at("ok").get<std::uint64_t>() + reloads.at("failed").get<std::uint64_t>() >= own) {
      if (const std::string error = member_text(reloads, "last_error"); !error.empty()) {
        return fail(error + "\nthe reload failed; the old configuration stays in force");
      }
      console.show({{"generation", status->value("generation", json())}}, [&] {
        return "reloaded: generation " + member_text(*status, "generation") + " is in force\n";
      });
      return {};
    }
    if (member_text(*status, "state") == "draining") {
      return fail("the daemon drains; there is no reload any more");
    }
    std::this_thread::sleep_for(kLook);
  }
  return fail("the reload has not ended within a minute; see the daemon's log");
}

Result<void> drain(const Daemon& daemon, const Console& console) {
  if (auto asked = daemon.post("/drain"); !asked) {
    return Unexpected(std::move(asked).error());
  }
  for (const auto deadline = Clock::now() + kDrainPatience; Clock::now() < deadline;) {
    const auto status = daemon.get("/status");
    if (!status && !daemon.runs()) {  // without connections a drain ends at once
      console.show({{"state", "ended"}}, [] { return "drained: the daemon has ended\n"; });
      return {};
    }
    if (status && member_text(*status, "state") == "draining") {
      const std::uint64_t open = open_connections(*status);
      console.show({{"state", "draining"}, {"connections", open}},
                   [&] { return "draining: " + count_text(open, "connection") + " open\n"; });
      return {};
    }
    std::this_thread::sleep_for(kLook);
  }
  return fail("the daemon has not begun to drain; see its log");
}

}  // namespace usher::ctl
