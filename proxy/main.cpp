#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <utility>

#include "proxy/base/process.h"
#include "proxy/config/parse.h"
#include "proxy/server/process_limits.h"
#include "proxy/server/quick.h"
#include "proxy/server/server.h"

namespace {

using usher::server::ExitCode;

int run_quick(const std::string& listen, const std::string& backend) {
  auto config = usher::server::quick_config(listen, backend);
  if (!config) {
    std::fprintf(stderr, "usher: %s\n", config.error().message.c_str());
    return ExitCode::kBadConfiguration;
  }
  auto credential = usher::server::make_self_signed();
  if (!credential) {
    std::fprintf(stderr, "usher: %s\n", credential.error().message.c_str());
    return ExitCode::kRuntimeFailure;
  }
  usher::server::ServeOptions options;
  options.config = *std::move(config);
  options.built_in = *std::move(credential);
  options.on_ready = [](const usher::SocketAddress& listener, const usher::SocketAddress& admin) {
    const std::string url = "https://" + listener.to_string();
    std::printf("listening on %s\n", url.c_str());
    std::printf("try: curl -k %s/\n", url.c_str());
    std::printf("metrics on http://%s/metrics\n", admin.to_string().c_str());
    std::fflush(stdout);
  };
  return usher::server::serve(std::move(options));
}

int run_config(const std::string& path, bool check_only) {
  auto config = usher::config::load(path);
  if (!config) {
    for (const std::string& message : config.error().messages) {
      std::fprintf(stderr, "%s\n", message.c_str());
    }
    return ExitCode::kBadConfiguration;
  }
  if (check_only) {
    const ExitCode result = usher::server::check(*config);
    if (result == ExitCode::kClean) {
      std::printf("%s: configuration and files are good\n", path.c_str());
    }
    return result;
  }
  usher::server::ServeOptions options;
  options.config = *std::move(config);
  return usher::server::serve(std::move(options));
}

}  // namespace

int main(int argc, char** argv) {
  usher::forbid_core_dumps();  // before any key is made or read
  CLI::App app("usher: a TLS termination proxy whose clients resume everywhere", "usher");
  std::string config_path;
  std::string listen = "127.0.0.1:8443";
  std::string backend;
  bool check_only = false;
  app.set_version_flag("--version", "usher " USHER_VERSION);
  const auto* config = app.add_option("--config", config_path, "Configuration file (TOML)");
  app.add_flag("--check", check_only, "Check the configuration and every file it names, then end")
      ->needs(const_cast<CLI::Option*>(config));
  CLI::App* quick = app.add_subcommand("quick", "Serve one backend with a self-signed certificate");
  quick->excludes(const_cast<CLI::Option*>(config));
  quick->add_option("--backend", backend, "HOST:PORT to forward to")->required();
  quick->add_option("--listen", listen, "HOST:PORT for clients")->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? ExitCode::kClean : ExitCode::kBadConfiguration;
  }
  if (!check_only) {
    usher::bind_libraries(argv);
  }
  if (*quick) {
    return run_quick(listen, backend);
  }
  if (config_path.empty()) {
    std::fputs("usher: --config FILE or 'quick --backend HOST:PORT' is needed; see --help\n",
               stderr);
    return ExitCode::kBadConfiguration;
  }
  return run_config(config_path, check_only);
}
