#include "proxy/server/process_limits.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>

#include "proxy/base/check.h"
#include "proxy/base/log.h"

namespace usher::server {

std::uint64_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return 1024;  // POSIX promises less, Linux never fails here
  }
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
  (void)::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

std::uint64_t connections_allowed(const config::Config& config, std::uint64_t descriptors) {
  // Per worker: epoll, async and signal descriptors; 128 for admin connections, logs and files at
  // reload.
  const std::uint64_t reserve = 128 + config.process.workers * (8 + config.listeners.size());
  const std::uint64_t most =
      std::max<std::uint64_t>(1, descriptors > reserve ? (descriptors - reserve) / 2 : 1);
  const std::uint64_t wanted = config.process.max_connections;
  if (wanted > most) {
    log::warning("max_connections is cut to what the descriptor limit allows; raise LimitNOFILE",
                 {{"max_connections", wanted}, {"allowed", most}, {"descriptors", descriptors}});
  }
  return wanted == 0 ? most : std::min(wanted, most);
}

namespace {

void mask_handled_signals(int how) {
  sigset_t handled;
  sigemptyset(&handled);
  for (const int number : {SIGHUP, SIGTERM, SIGQUIT, SIGINT, SIGUSR1}) {
    sigaddset(&handled, number);
  }
  CHECK(::pthread_sigmask(how, &handled, nullptr) == 0);
}

}  // namespace

void hold_signals() {
  mask_handled_signals(SIG_BLOCK);
}

void release_signals() {
  mask_handled_signals(SIG_UNBLOCK);
}

void forbid_core_dumps() {
  (void)::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

}  // namespace usher::server
