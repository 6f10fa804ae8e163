#include "proxy/http/http_metrics.h"

namespace usher::http {
namespace {

constexpr unsigned kFirstCode = 100;

std::string code_label(std::size_t index) {
  return index < HttpMetrics::kCodes ? std::to_string(kFirstCode + index) : "other";
}

}  // namespace

metrics::Cell& HttpMetrics::requests_of(unsigned status) {
  const bool known = status >= kFirstCode && status < kFirstCode + kCodes;
  return requests[known ? status - kFirstCode : kCodes];
}

void HttpMetrics::register_in(metrics::Registry::Group& group, const std::string& listener) const {
  group.add_used(metrics::kHttpRequests, {listener}, requests, code_label);
  for (std::size_t i = 0; i < rejected.size(); ++i) {
    const auto reason = static_cast<Reject>(i);
    if (reason != Reject::kNone) {
      group.add(metrics::kHttpRejected, {listener, std::string(name_of(reason))}, rejected[i]);
    }
  }
  group.add(metrics::kHttpRequestSeconds, {listener}, request_seconds);
}

}  // namespace usher::http
