#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/metrics/cell.h"
#include "proxy/metrics/registry.h"

namespace usher::backend {

// One worker's cells of one backend. Thread: written by the worker, read by any. Owner: the
// server's store of cells and whoever counts.
struct BackendMetrics {
  enum Failure : std::uint8_t {
    kRefused,
    kTimeout,
    kUnreachable,
    kReset,
    kTls,        // the handshake failed, or the certificate does not hold
    kMalformed,  // what came is no HTTP response
    kFailures
  };
  static std::string_view name_of(Failure failure);  // the label `reason`
  struct Server {
    metrics::Cell connections;  // idle ones too
    metrics::Cell ejected;      // 1 while this worker does not choose it
    std::array<metrics::Cell, kFailures> failures;
  };
  explicit BackendMetrics(std::size_t servers) : per_server(servers) {}

  std::vector<Server> per_server;
  metrics::LatencyHistogram connect_seconds;

  // Registers every cell with its labels (zero rows too, so that rates exist from the first
  // scrape). `servers` are the labels, in the configuration's order.
  void register_in(metrics::Registry::Group& group, const std::string& backend,
                   const std::vector<std::string>& servers) const;
};

}  // namespace usher::backend
