#include "proxy/base/process.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
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

void bind_libraries(char** argv) {
  constexpr const char* kVariable = "LD_BIND_NOW";
  const char* const bound = std::getenv(kVariable);
  if (bound != nullptr && *bound != '\0') {
    return;
  }
  hold_signals();
  std::array<char, PATH_MAX> path{};  // not /proc/self/exe itself, which would become our name
  if (::readlink("/proc/self/exe", path.data(), path.size() - 1) > 0 &&
      ::setenv(kVariable, "1", 1) == 0) {
    ::execv(path.data(), argv);
  }
  std::fprintf(stderr, "%s: libraries stay bound lazily: %s; set LD_BIND_NOW=1\n", argv[0],
               std::strerror(errno));
}

}  // namespace usher
