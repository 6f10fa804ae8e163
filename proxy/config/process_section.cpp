#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <thread>

#include "proxy/config/sections.h"

namespace usher::config {
namespace {

constexpr unsigned kWorkersMax = 512;
constexpr std::int64_t kConnectionsMax = 100'000'000;  // above any descriptor limit of Linux

// What this process may run on, which in a container or under taskset is less than the machine has.
unsigned usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  // Fails on machines with more CPUs than the fixed set has bits.
  const bool known = ::sched_getaffinity(0, sizeof set, &set) == 0;
  const unsigned count =
      known ? static_cast<unsigned>(CPU_COUNT(&set)) : std::thread::hardware_concurrency();
  return std::clamp(count, 1U, kWorkersMax);
}

std::string host_name() {
  std::array<char, 256> name{};
  const bool known = ::gethostname(name.data(), name.size() - 1) == 0 && name.front() != '\0';
  return known ? name.data() : "localhost";
}

}  // namespace

void read_process(Section& section, Process& to) {
  to.place = section.findings().place(section.line());
  section.text("node", to.node, kNodeName);
  section.integer("workers", to.workers, 0, kWorkersMax);
  section.text("user", to.user, kUserName);
  section.integer("max_connections", to.max_connections, 0, kConnectionsMax);
  section.duration("drain_delay", to.drain_delay, {});
  section.duration("drain_timeout", to.drain_timeout, {});
  section.finish();
  if (to.node.empty()) {
    to.node = host_name();
  }
  if (to.workers == 0) {
    to.workers = usable_cpus();
  }
}

void read_log_lines(Section& section, Log& to) {
  to.place = section.findings().place(section.line());
  section.choice("level", to.level,
                 {{"debug", log::Level::kDebug},
                  {"info", log::Level::kInfo},
                  {"warning", log::Level::kWarning},
                  {"error", log::Level::kError}});
  section.choice("format", to.format,
                 {{"logfmt", log::Format::kLogfmt}, {"json", log::Format::kJson}});
}

void read_log(Section& section, Log& to) {
  read_log_lines(section, to);
  section.text("access", to.access, kAccessLog);
  section.finish();
}

void read_admin(Section& section, Admin& to) {
  to.place = section.findings().place(section.line());
  section.text("listen", to.listen, kOptionalAddress);
  section.text("socket", to.socket, kSocketPath);
  section.texts("allow_groups", to.allow_groups, kGroupName);
  section.finish();
}

}  // namespace usher::config
