#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <string>

#include "proxy/base/process.h"
#include "proxy/config/config.h"
#include "proxy/ctl/commands.h"

namespace {

enum ExitCode : int { kClean = 0, kFailure = 1, kUsage = 2 };

}  // namespace

int main(int argc, char** argv) {
  usher::forbid_core_dumps();  // keys pass through here
  CLI::App app("usherctl: the operator's hand on usher and usher-keyd", "usherctl");
  app.set_version_flag("--version", "usherctl " USHER_VERSION);
  usher::ctl::CommandLine line;
  line.socket = usher::config::Admin().socket;
  usher::ctl::add_commands(app, line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kClean : kUsage;
  }
  const usher::ctl::Console console(
      line.json, [](std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); });
  const auto done = usher::ctl::run(line, console);
  if (!done) {
    console.show_error(done.error().message);
    std::fprintf(stderr, "usherctl: %s\n", done.error().message.c_str());
  }
  return done && std::fflush(stdout) == 0 ? kClean : kFailure;
}
