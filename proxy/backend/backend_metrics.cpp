#include "proxy/backend/backend_metrics.h"

namespace usher::backend {
namespace {

constexpr std::array<std::string_view, BackendMetrics::kFailures> kFailureNames = {
    "refused", "timeout", "unreachable", "reset", "tls", "malformed"};

}  // namespace

std::string_view BackendMetrics::name_of(Failure failure) {
  return kFailureNames[failure];
}

void BackendMetrics::register_in(metrics::Registry::Group& group, const std::string& backend,
                                 const std::vector<std::string>& servers) const {
  for (std::size_t i = 0; i < servers.size(); ++i) {
    const Server& server = per_server[i];
    group.add(metrics::kBackendConnections, {backend, servers[i]}, server.connections);
    group.add(metrics::kBackendEjected, {backend, servers[i]}, server.ejected);
    for (std::size_t failure = 0; failure < kFailureNames.size(); ++failure) {
      group.add(metrics::kBackendFailures,
                {backend, servers[i], std::string(kFailureNames[failure])},
                server.failures[failure]);
    }
  }
  group.add(metrics::kBackendConnectSeconds, {backend}, connect_seconds);
}

}  // namespace usher::backend
