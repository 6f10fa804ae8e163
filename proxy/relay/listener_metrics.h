#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "proxy/metrics/cell.h"
#include "proxy/metrics/registry.h"
#include "proxy/relay/close_reason.h"
#include "proxy/relay/phase.h"
#include "proxy/tls/outcomes.h"

namespace usher::relay {

// One worker's cells of one listener. Thread: written by the worker, read by any.
// Owner: the server's registry of listeners; never freed while the process lives.
struct ListenerMetrics {
  metrics::Cell connections;
  std::array<metrics::Cell, kPhases> phases;
  std::array<metrics::Cell, kCloseReasons> closes;
  std::array<std::array<metrics::Cell, tls::kResumptions>, 2>
      handshakes;  // [0] TLSv1.2, [1] TLSv1.3
  std::array<metrics::Cell, tls::kTlsFailures> handshake_failures;
  std::array<metrics::LatencyHistogram, tls::kResumptions> handshake_seconds;
  std::array<std::array<metrics::Cell, tls::kOfferOutcomes>, tls::kOfferKinds> offers;
  std::array<metrics::Cell, 4> max_fragment_length;  // 512 1024 2048 4096
  metrics::Cell bytes_to_backend;
  metrics::Cell bytes_to_client;
  metrics::Cell accept_paused;

  // Registers every cell with its labels (zero rows too, so that rates exist from the first
  // scrape).
  void register_in(metrics::Registry::Group& group, const std::string& listener) const;
};

}  // namespace usher::relay
