#pragma once

#include <functional>
#include <string>

#include "proxy/base/result.h"
#include "proxy/ctl/console.h"
#include "proxy/ctl/daemon.h"

namespace CLI {
class App;
}

namespace usher::ctl {

// What the command line asked for. `command` is set by the parser; empty: it named none.
struct CommandLine {
  std::string socket;
  bool json = false;
  std::function<Result<void>(const Daemon&, const Console&)> command;
};

// Every command of usherctl (CONTRACT). `line` outlives the app.
void add_commands(CLI::App& app, CommandLine& line);
Result<void> run(const CommandLine& line, const Console& console);

}  // namespace usher::ctl
