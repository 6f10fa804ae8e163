#pragma once

#include "proxy/base/result.h"
#include "proxy/ctl/console.h"
#include "proxy/ctl/daemon.h"

// usherctl's commands for the process itself. Errors are for a person.
namespace usher::ctl {

Result<void> show_status(const Daemon& daemon, const Console& console);
// Waits for the outcome, at most a minute; a reload that failed is an error with its FILE:LINE.
Result<void> reload(const Daemon& daemon, const Console& console);
// Returns as soon as the proxy drains; connections may go on until drain_timeout.
Result<void> drain(const Daemon& daemon, const Console& console);

}  // namespace usher::ctl
