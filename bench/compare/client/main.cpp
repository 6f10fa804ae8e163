// bench_client: puts one kind of load on a TLS proxy and reports what it did. See modes.h.

#include <signal.h>

#include <CLI/CLI.hpp>
#include <map>
#include <string>

#include "client/modes.h"

int main(int argc, char** argv) {
  using namespace usher::bench;
  using Mode = void (*)(const Load&);
  const std::map<std::string, Mode> modes = {{"full", run_full_handshakes},
                                             {"resume", run_resumed_handshakes},
                                             {"download", run_downloads},
                                             {"keepalive", run_keepalive},
                                             {"idle", run_idle}};
  const std::map<std::string, TlsVersion> versions = {{"1.2", TlsVersion::kTls12},
                                                      {"1.3", TlsVersion::kTls13}};
  CLI::App app("Load client of bench/compare: one thread, 127.0.0.1 only");
  Load load;
  std::string mode;
  app.add_option("mode", mode, "what to do")->required()->check(CLI::IsMember(&modes));
  app.add_option("--port", load.port, "the proxy's port")->required();
  app.add_option("--tls", load.version, "protocol version")
      ->transform(CLI::CheckedTransformer(versions).description("1.2|1.3"));
  app.add_flag_callback(
      "--session-ids", [&load] { load.comes_back_with = ComesBackWith::kSessionId; },
      "full and resume: a client that knows no tickets");
  app.add_option("--concurrency", load.concurrency, "connections at once")
      ->check(CLI::Range(1, 1000));
  app.add_option("--count", load.count, "operations measured")->check(CLI::Range(1, 10'000'000));
  app.add_option("--target", load.target, "what keepalive asks for");
  CLI11_PARSE(app, argc, argv);

  // A proxy that closes early must end in an error message, not in a signal.
  ::signal(SIGPIPE, SIG_IGN);
  modes.at(mode)(load);
  return 0;
}
