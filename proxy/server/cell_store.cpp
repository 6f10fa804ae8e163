#include "proxy/server/cell_store.h"

namespace usher::server {
namespace {

std::vector<std::string> labels_of(const config::Backend& backend) {
  std::vector<std::string> labels;
  for (const config::BackendServer& server : backend.servers) {
    labels.push_back(server.label());
  }
  return labels;
}

std::string key_of(const config::Backend& backend) {
  std::string key = backend.name;
  for (const std::string& label : labels_of(backend)) {
    key += ' ' + label;
  }
  return key;
}

}  // namespace

CellStore::CellStore(metrics::Registry& registry, unsigned workers)
    : rows_(registry.group()), workers_(workers) {
  for (unsigned worker = 0; worker < workers; ++worker) {
    tickets_issued_.push_back(std::make_unique<metrics::Cell>());
    rows_.add(metrics::kTicketsIssued, {}, *tickets_issued_.back());
  }
}

relay::ListenerMetrics& CellStore::listener(const std::string& name, unsigned worker) {
  auto& cells = listeners_[name];
  while (cells.size() < workers_) {
    cells.push_back(std::make_unique<relay::ListenerMetrics>());
    cells.back()->register_in(rows_, name);
  }
  return *cells[worker];
}

std::uint64_t CellStore::future_names() const {
  constexpr auto kTicket = static_cast<std::size_t>(tls::OfferKind::kTicket);
  constexpr auto kFuture = static_cast<std::size_t>(tls::OfferOutcome::kUnknownFuture);
  std::uint64_t total = 0;
  for (const auto& [name, workers] : listeners_) {
    for (const auto& cells : workers) {
      total += cells->offers[kTicket][kFuture].value();
    }
  }
  return total;
}

http::HttpMetrics& CellStore::http(const std::string& listener, unsigned worker) {
  auto& cells = http_[listener];
  while (cells.size() < workers_) {
    cells.push_back(std::make_unique<http::HttpMetrics>());
    cells.back()->register_in(rows_, listener);
  }
  return *cells[worker];
}

std::shared_ptr<backend::BackendMetrics> CellStore::backend(const config::Backend& backend,
                                                            unsigned worker) {
  auto& cells = backends_[key_of(backend)];
  while (cells.size() < workers_) {
    cells.push_back(std::make_shared<backend::BackendMetrics>(backend.servers.size()));
    cells.back()->register_in(rows_, backend.name, labels_of(backend));
  }
  return cells[worker];
}

CellStore::ServerCounts CellStore::counts(const config::Backend& backend,
                                          std::size_t server) const {
  ServerCounts counts;
  if (const auto known = backends_.find(key_of(backend)); known != backends_.end()) {
    for (const auto& cells : known->second) {
      counts.connections += cells->per_server[server].connections.value();
      counts.ejected += cells->per_server[server].ejected.value();
    }
  }
  return counts;
}

}  // namespace usher::server
