#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "proxy/backend/backend_metrics.h"
#include "proxy/config/config.h"
#include "proxy/http/http_metrics.h"
#include "proxy/metrics/registry.h"
#include "proxy/relay/listener_metrics.h"

namespace usher::server {

// The cells that workers count in, by listener and backend name. They outlive reloads: a listener
// that comes back goes on counting where it was. Thread: main makes and finds them; each worker
// writes its own. Owner: the server; outlives the workers.
class CellStore {
 public:
  CellStore(metrics::Registry& registry, unsigned workers);

  relay::ListenerMetrics& listener(const std::string& name, unsigned worker);
  http::HttpMetrics& http(const std::string& listener, unsigned worker);
  std::shared_ptr<backend::BackendMetrics> backend(const config::Backend& backend, unsigned worker);
  metrics::Cell& tickets_issued(unsigned worker) { return *tickets_issued_[worker]; }
  // Of one server of a backend, by all workers; nothing of a backend that is not known.
  struct ServerCounts {
    std::uint64_t connections = 0;
    std::uint64_t ejected = 0;  // workers that leave it out
  };
  ServerCounts counts(const config::Backend& backend, std::size_t server) const;
  // Offers whose key name is ahead of our ring, so far, by all workers.
  std::uint64_t future_names() const;

 private:
  metrics::Registry::Group rows_;
  unsigned workers_;
  std::map<std::string, std::vector<std::unique_ptr<relay::ListenerMetrics>>> listeners_;
  std::map<std::string, std::vector<std::unique_ptr<http::HttpMetrics>>> http_;
  std::map<std::string, std::vector<std::shared_ptr<backend::BackendMetrics>>> backends_;
  std::vector<std::unique_ptr<metrics::Cell>> tickets_issued_;
};

}  // namespace usher::server
