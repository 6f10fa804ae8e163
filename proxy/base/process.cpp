#include "proxy/base/process.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include <csignal>
#include <initializer_list>

#include "proxy/base/check.h"

namespace usher {
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

void hold_signals() {
  mask_handled_signals(SIG_BLOCK);
}

void release_signals() {
  mask_handled_signals(SIG_UNBLOCK);
}

void forbid_core_dumps() {
  (void)::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

}  // namespace usher
