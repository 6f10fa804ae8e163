#pragma once

#include "keyd/config.h"

namespace usher::keyd {

enum ExitCode : int { kClean = 0, kRuntimeFailure = 1, kBadConfiguration = 2 };

// Runs the key daemon until a signal ends it (CONTRACT, Signals). Everything that goes wrong is
// logged. Thread: main, once.
ExitCode serve(const Config& config);

// `usher-keyd --config FILE --check`: reads and checks every file that the configuration names; a
// keyd may be running on them. Messages go to standard error.
ExitCode check(const Config& config);

}  // namespace usher::keyd
