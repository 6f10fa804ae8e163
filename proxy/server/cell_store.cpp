#include "proxy/server/cell_store.h"

namespace usher::server {

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

std::shared_ptr<backend::BackendMetrics> CellStore::backend(const config::Backend& backend,
                                                            unsigned worker) {
  std::vector<std::string> labels;
  std::string key = backend.name;
  for (const config::BackendServer& server : backend.servers) {
    labels.push_back(server.label());
    key += ' ' + labels.back();
  }
  auto& cells = backends_[key];
  while (cells.size() < workers_) {
    cells.push_back(std::make_shared<backend::BackendMetrics>(labels.size()));
    cells.back()->register_in(rows_, backend.name, labels);
  }
  return cells[worker];
}

}  // namespace usher::server
