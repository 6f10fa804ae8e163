#pragma once

#include <string>

#include "proxy/base/result.h"
#include "proxy/ctl/console.h"
#include "proxy/ctl/daemon.h"

// usherctl's commands for the fleet that usher-keyd serves. Errors are for a person.
namespace usher::ctl {

Result<void> show_nodes(const Daemon& daemon, const Console& console);
// All instances of that node leave; what waited for them goes on, forced.
Result<void> forget_node(const Daemon& daemon, const Console& console, const std::string& node);

}  // namespace usher::ctl
