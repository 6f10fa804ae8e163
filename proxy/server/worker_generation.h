#pragma once

#include <memory>
#include <string>
#include <vector>

#include "proxy/backend/group.h"
#include "proxy/http/site.h"
#include "proxy/relay/services.h"
#include "proxy/server/generation.h"
#include "proxy/session/cache_metrics.h"
#include "proxy/tls/library_context.h"

namespace usher::server {

// What main hands one worker to make a generation from. Vectors follow the generation's listeners
// and backends.
struct WorkerPlan {
  struct Listener {
    relay::ListenerMetrics* metrics = nullptr;
    http::HttpMetrics* http = nullptr;  // null in tcp mode
  };
  struct Backend {
    std::shared_ptr<backend::BackendMetrics> metrics;
    backend::SharedEndpoints endpoints;  // the same object as before: the backend is unchanged
    backend::SharedHealth health;
  };
  GenerationPtr generation;
  session::RedisMetrics* redis = nullptr;  // this worker's; null: no Redis
  std::vector<Listener> listeners;
  std::vector<Backend> backends;
};

// A worker's own contexts and groups of one generation, made certificate by certificate between its
// turns; contexts of unchanged certificates and groups of unchanged backends are taken over from
// the generation before. Thread: the worker's. Owner: the worker.
class WorkerGeneration {
 public:
  WorkerGeneration(const tls::LibraryContext& library, relay::WorkerServices& services,
                   WorkerPlan plan, const WorkerGeneration* previous);

  // One backend's or certificate's work; true when everything is made.
  Result<bool> step();

  struct Entry {
    std::string socket_key;
    std::shared_ptr<relay::ListenerState> state;
  };
  const Generation& generation() const { return *plan_.generation; }
  session::RedisMetrics* redis() const { return plan_.redis; }
  const std::vector<Entry>& entries() const { return entries_; }  // complete once step() was true
  // The end of a generation: its contexts, for the worker to free bit by bit.
  std::vector<std::shared_ptr<const tls::ServerContext>> take_contexts();

 private:
  void take_over(const WorkerGeneration& previous);
  bool done() const { return entries_.size() == plan_.generation->listeners.size(); }
  Result<void> make_next_group();
  Result<void> step_listener();
  void finish_listener(std::shared_ptr<const tls::ServerContext> tls);
  std::shared_ptr<relay::ListenerState> state_of(std::size_t index) const;
  std::shared_ptr<const http::Site> site_of(std::size_t index) const;

  const tls::LibraryContext& library_;
  relay::WorkerServices& services_;  // of the worker that has this
  WorkerPlan plan_;
  std::vector<std::shared_ptr<const tls::ServerContext>>
      previous_contexts_;                                // per listener, may be null
  std::vector<std::shared_ptr<backend::Group>> groups_;  // per backend; null: not made yet
  std::size_t groups_made_ = 0;
  std::unique_ptr<tls::ServerContext::Builder> builder_;
  std::vector<Entry> entries_;
};

}  // namespace usher::server
