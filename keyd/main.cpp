#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "keyd/config.h"
#include "keyd/serve.h"
#include "proxy/base/process.h"

int main(int argc, char** argv) {
  usher::forbid_core_dumps();  // before any key is made or read
  CLI::App app("usher-keyd: ticket keys for a fleet of usher", "usher-keyd");
  std::string path;
  bool check_only = false;
  app.set_version_flag("--version", "usher-keyd " USHER_VERSION);
  app.add_option("--config", path, "Configuration file (TOML)")->required();
  app.add_flag("--check", check_only, "Check the configuration and every file it names, then end");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? usher::keyd::kClean : usher::keyd::kBadConfiguration;
  }
  if (!check_only) {
    usher::bind_libraries(argv);
  }
  const auto config = usher::keyd::load(path);
  if (!config) {
    for (const std::string& message : config.error().messages) {
      std::fprintf(stderr, "%s\n", message.c_str());
    }
    return usher::keyd::kBadConfiguration;
  }
  if (!check_only) {
    return usher::keyd::serve(*config);
  }
  const auto result = usher::keyd::check(*config);
  if (result == usher::keyd::kClean) {
    std::printf("%s: configuration and files are good\n", path.c_str());
  }
  return result;
}
