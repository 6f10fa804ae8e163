#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string>
#include <string_view>

#include "proxy/base/process.h"
#include "proxy/base/unix_errors.h"
#include "proxy/config/config.h"
#include "proxy/ctl/commands.h"
#include "proxy/ctl/text.h"

namespace {

using usher::ctl::Console;

enum ExitCode : int { kClean = 0, kFailure = 1, kUsage = 2 };

// A standard descriptor that the caller closed would become a socket's or a key file's, and take
// what is printed. For reading only: printing to it fails, as it should.
void hold_standard_descriptors() {
  int fd = ::open("/dev/null", O_RDONLY);
  while (fd >= 0 && fd <= STDERR_FILENO) {
    fd = ::open("/dev/null", O_RDONLY);
  }
  ::close(fd);
}

ExitCode complain(const Console& console, const std::string& why, ExitCode code) {
  console.show_error(why);
  std::fflush(stdout);  // what was found comes before what is wrong with it
  std::fprintf(stderr, "usherctl: %s\n", why.c_str());
  return code;
}

// The command line's flag, also when the rest of the line is wrong.
bool wants_json(int argc, char** argv) {
  return std::any_of(argv, argv + argc, [](std::string_view word) { return word == "--json"; });
}

ExitCode run(int argc, char** argv, const Console& console) {
  CLI::App app("usherctl: the operator's hand on usher and usher-keyd", "usherctl");
  app.set_version_flag("--version", "usherctl " USHER_VERSION);
  usher::ctl::CommandLine line;
  line.socket = usher::config::Admin().socket;
  usher::ctl::add_commands(app, line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help_or_version) {
    app.exit(help_or_version);
    return kClean;
  } catch (const CLI::ParseError& error) {
    return complain(console, usher::ctl::printable(error.what()) + "; see --help", kUsage);
  }
  if (!line.command) {
    return complain(console, "a command is needed; --help lists them", kUsage);
  }
  const auto done = usher::ctl::run(line, console);
  return done ? kClean : complain(console, done.error().message, kFailure);
}

}  // namespace

int main(int argc, char** argv) {
  usher::forbid_core_dumps();  // keys pass through here
  hold_standard_descriptors();
  const Console console(wants_json(argc, argv), [](std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
  });
  const ExitCode code = run(argc, argv, console);
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    std::fprintf(stderr, "usherctl: standard output: %s\n", usher::errno_text(errno).c_str());
    return code == kClean ? kFailure : code;
  }
  return code;
}
