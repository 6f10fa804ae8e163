#pragma once

#include <cstdint>
#include <string>

#include "client/tls_client.h"

namespace usher::bench {

/// What one run of the client does; see `bench_client --help`.
struct Load {
  uint16_t port = 0;
  TlsVersion version = TlsVersion::kTls13;
  ComesBackWith comes_back_with = ComesBackWith::kTicket;  // of full and resumed handshakes
  size_t concurrency = 1;
  size_t count = 1;
  std::string target = "/";  // of run_keepalive
};

/// Each mode warms the proxy up, passes a barrier (the harness reads the proxy's clock), does
/// `count` operations, passes a second barrier (the harness reads again) and closes what it still
/// holds.
///
/// Barrier: a line of JSON on standard output, then a line on standard input.

/// New connections, each with one small request, an orderly close and no session offered.
void run_full_handshakes(const Load& load);

/// The same, each offering the newest ticket of its slot's connection before, or the id of the
/// session of its slot's first one; every one must resume.
void run_resumed_handshakes(const Load& load);

/// New connections, each with one response of 100 MB.
void run_downloads(const Load& load);

/// `concurrency` connections kept open, `count` requests for `target` in all.
void run_keepalive(const Load& load);

/// `count` connections, each after one small request, held without traffic between the barriers.
void run_idle(const Load& load);

}  // namespace usher::bench
