#pragma once

#include <memory>
#include <string>
#include <vector>

#include "proxy/backend/group.h"
#include "proxy/relay/services.h"
#include "proxy/server/generation.h"
#include "proxy/tls/library_context.h"

namespace usher::server {

// What main hands one worker to make a generation from. Vectors follow the generation's listeners
// and backends.
struct WorkerPlan {
  GenerationPtr generation;
  std::vector<relay::ListenerMetrics*> listener_metrics;
  std::vector<std::shared_ptr<backend::BackendMetrics>> backend_metrics;
  std::vector<backend::SharedEndpoints> endpoints;
};

// A worker's own contexts and groups of one generation, made certificate by certificate between its
// turns; contexts of unchanged certificates are taken over from the generation before. Thread: the
// worker's. Owner: the worker.
class WorkerGeneration {
 public:
  WorkerGeneration(const tls::LibraryContext& library, WorkerPlan plan,
                   const WorkerGeneration* previous);

  // One certificate's work; true when everything is made.
  Result<bool> step();

  struct Entry {
    std::string socket_key;
    std::shared_ptr<relay::ListenerState> state;
  };
  const std::vector<Entry>& entries() const { return entries_; }  // complete once step() was true
  // The end of a generation: its contexts, for the worker to free bit by bit.
  std::vector<std::shared_ptr<const tls::ServerContext>> take_contexts();

 private:
  void begin_listener();
  void finish_listener();

  const tls::LibraryContext& library_;
  WorkerPlan plan_;
  std::vector<std::shared_ptr<const tls::ServerContext>>
      previous_contexts_;  // per listener, may be null
  std::vector<std::shared_ptr<backend::Group>> groups_;
  std::unique_ptr<tls::ServerContext::Builder> builder_;
  std::vector<Entry> entries_;
};

}  // namespace usher::server
