#pragma once

#include <functional>

#include "proxy/config/config.h"
#include "proxy/tls/credential.h"

namespace usher::server {

enum ExitCode : int { kClean = 0, kRuntimeFailure = 1, kBadConfiguration = 2 };

struct ServeOptions {
  config::Config config;
  tls::CredentialPtr built_in;  // the certificate of `usher quick`; null with a file
  // Called once when clients are served, with the first listener's address and the admin's.
  std::function<void(const SocketAddress& listener, const SocketAddress& admin)> on_ready;
};

// Runs the proxy until it is drained or stopped by a signal (CONTRACT, Signals). Everything that
// goes wrong is logged. Thread: main, once.
ExitCode serve(ServeOptions options);

// `usher --config FILE --check`: reads and checks all files, binds nothing. Messages go to standard
// error.
ExitCode check(const config::Config& config);

}  // namespace usher::server
