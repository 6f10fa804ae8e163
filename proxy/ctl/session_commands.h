#pragma once

#include "proxy/base/result.h"
#include "proxy/ctl/console.h"
#include "proxy/ctl/daemon.h"

// usherctl's commands for the session caches of a proxy. Errors are for a person.
namespace usher::ctl {

Result<void> show_sessions(const Daemon& daemon, const Console& console);
// Of this proxy's memory tier only.
Result<void> flush_sessions(const Daemon& daemon, const Console& console);

}  // namespace usher::ctl
