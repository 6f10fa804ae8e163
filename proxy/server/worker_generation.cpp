#include "proxy/server/worker_generation.h"

#include <utility>

#include "proxy/server/listening_sockets.h"

namespace usher::server {

WorkerGeneration::WorkerGeneration(const tls::LibraryContext& library, WorkerPlan plan,
                                   const WorkerGeneration* previous)
    : library_(library), plan_(std::move(plan)) {
  const Generation& generation = *plan_.generation;
  for (const Generation::Listener& listener : generation.listeners) {
    std::shared_ptr<const tls::ServerContext> before;
    if (previous != nullptr) {
      for (const Entry& entry : previous->entries_) {
        if (entry.socket_key == socket_key(listener.settings)) {
          before = entry.state->tls;
        }
      }
    }
    previous_contexts_.push_back(std::move(before));
  }
  for (std::size_t i = 0; i < generation.config.backends.size(); ++i) {
    groups_.push_back(
        std::make_shared<backend::Group>(generation.config.backends[i], plan_.endpoints[i]));
  }
}

Result<bool> WorkerGeneration::step() {
  if (entries_.size() == plan_.generation->listeners.size()) {
    return true;
  }
  if (!builder_) {
    begin_listener();
  }
  Result<bool> done = builder_->step();
  if (!done) {
    return done;
  }
  if (*done) {
    finish_listener();
  }
  return entries_.size() == plan_.generation->listeners.size();
}

void WorkerGeneration::begin_listener() {
  const std::size_t index = entries_.size();
  builder_ = std::make_unique<tls::ServerContext::Builder>(
      library_, plan_.generation->listeners[index].tls, previous_contexts_[index]);
  previous_contexts_[index].reset();  // or the old contexts would live as long as the new ones
}

void WorkerGeneration::finish_listener() {
  const std::size_t index = entries_.size();
  const Generation::Listener& listener = plan_.generation->listeners[index];
  auto state = std::make_shared<relay::ListenerState>();
  state->name = listener.settings.name;
  state->tls = builder_->finish();
  state->backend = groups_[listener.backend];
  state->backend_metrics = plan_.backend_metrics[listener.backend];
  state->metrics = plan_.listener_metrics[index];
  state->handshake_timeout = plan_.generation->config.tls.handshake_timeout;
  state->idle_timeout = listener.settings.idle_timeout;
  state->proxy_protocol_in = listener.settings.proxy_protocol;
  state->proxy_protocol_from = listener.settings.proxy_protocol_from;
  builder_.reset();
  entries_.push_back({socket_key(listener.settings), std::move(state)});
}

std::vector<std::shared_ptr<const tls::ServerContext>> WorkerGeneration::take_contexts() {
  std::vector<std::shared_ptr<const tls::ServerContext>> contexts;
  for (const Entry& entry : entries_) {
    contexts.push_back(std::move(entry.state->tls));
  }
  return contexts;
}

}  // namespace usher::server
