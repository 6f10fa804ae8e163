#pragma once

#include <array>
#include <string>

#include "proxy/http/reject.h"
#include "proxy/metrics/cell.h"
#include "proxy/metrics/registry.h"

namespace usher::http {

// One worker's cells of one HTTP listener. Thread: written by the worker, read by any. Owner: the
// server's store of cells; never freed while the process lives.
struct HttpMetrics {
  static constexpr std::size_t kCodes = 500;  // 100 to 599; anything else counts as 500's "other"

  std::array<metrics::Cell, kCodes + 1> requests;  // by status - 100; the last: other
  std::array<metrics::Cell, kRejects> rejected;
  metrics::LatencyHistogram request_seconds;

  metrics::Cell& requests_of(unsigned status);
  void register_in(metrics::Registry::Group& group, const std::string& listener) const;
};

}  // namespace usher::http
