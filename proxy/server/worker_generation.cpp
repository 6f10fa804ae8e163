#include "proxy/server/worker_generation.h"

#include <utility>

#include "proxy/server/listening_sockets.h"

namespace usher::server {

WorkerGeneration::WorkerGeneration(const tls::LibraryContext& library,
                                   relay::WorkerServices& services, WorkerPlan plan,
                                   const WorkerGeneration* previous)
    : library_(library),
      services_(services),
      plan_(std::move(plan)),
      previous_contexts_(plan_.generation->listeners.size()),
      groups_(plan_.generation->config.backends.size()) {
  if (previous != nullptr) {
    take_over(*previous);
  }
}

void WorkerGeneration::take_over(const WorkerGeneration& previous) {
  for (std::size_t i = 0; i < previous_contexts_.size(); ++i) {
    for (const Entry& entry : previous.entries_) {
      if (entry.socket_key == socket_key(plan_.generation->listeners[i].settings)) {
        previous_contexts_[i] = entry.state->tls;
      }
    }
  }
  // With its pool, its ejections and its counts: requests do not notice the reload.
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    for (std::size_t before = 0; before < previous.groups_.size(); ++before) {
      if (previous.plan_.backends[before].endpoints == plan_.backends[i].endpoints) {
        groups_[i] = previous.groups_[before];
      }
    }
  }
}

Result<bool> WorkerGeneration::step() {
  if (done()) {
    return true;
  }
  auto stepped = groups_made_ < groups_.size() ? make_next_group() : step_listener();
  if (!stepped) {
    return Unexpected(std::move(stepped).error());
  }
  return done();
}

Result<void> WorkerGeneration::make_next_group() {
  const std::size_t index = groups_made_++;
  if (groups_[index]) {
    return {};  // unchanged
  }
  const Generation& generation = *plan_.generation;
  const WorkerPlan::Backend& backend = plan_.backends[index];
  std::shared_ptr<tls::BackendTls> tls;
  if (generation.backend_tls[index]) {
    auto made = tls::BackendTls::create(library_.raw(), generation.backend_tls[index]);
    if (!made) {
      return Unexpected(std::move(made).error());
    }
    tls = *std::move(made);
  }
  groups_[index] = std::make_shared<backend::Group>(
      generation.config.backends[index], backend::Group::Surroundings{
                                             .loop = services_.loop,
                                             .buffers = {services_.receive, services_.plain},
                                             .endpoints = backend.endpoints,
                                             .health = backend.health,
                                             .metrics = backend.metrics,
                                             .tls = std::move(tls),
                                             .workers = generation.config.process.workers,
                                         });
  return {};
}

Result<void> WorkerGeneration::step_listener() {
  const std::size_t index = entries_.size();
  const auto& settings = plan_.generation->listeners[index].tls;
  if (!settings) {
    finish_listener(nullptr);  // a redirect
    return {};
  }
  if (!builder_) {
    builder_ = std::make_unique<tls::ServerContext::Builder>(library_, settings,
                                                             previous_contexts_[index]);
    previous_contexts_[index].reset();  // or the old contexts would live as long as the new ones
  }
  const Result<bool> made = builder_->step();
  if (!made) {
    return Unexpected(made.error());
  }
  if (*made) {
    finish_listener(builder_->finish());
    builder_.reset();
  }
  return {};
}

void WorkerGeneration::finish_listener(std::shared_ptr<const tls::ServerContext> tls) {
  const std::size_t index = entries_.size();
  auto state = state_of(index);
  state->tls = std::move(tls);
  entries_.push_back({socket_key(plan_.generation->listeners[index].settings), std::move(state)});
}

// All but its context.
std::shared_ptr<relay::ListenerState> WorkerGeneration::state_of(std::size_t index) const {
  const Generation::Listener& listener = plan_.generation->listeners[index];
  const config::Listener& settings = listener.settings;
  auto state = std::make_shared<relay::ListenerState>();
  state->name = settings.name;
  state->plain = settings.mode == config::Mode::kRedirect;
  if (settings.mode == config::Mode::kTcp) {
    state->backend = groups_[*listener.backend];
    state->backend_metrics = plan_.backends[*listener.backend].metrics;
  } else {
    state->application = site_of(index);
  }
  state->metrics = plan_.listeners[index].metrics;
  state->handshake_timeout = plan_.generation->config.tls.handshake_timeout;
  state->idle_timeout = settings.idle_timeout;
  state->proxy_protocol_in = settings.proxy_protocol;
  state->proxy_protocol_from = settings.proxy_protocol_from;
  return state;
}

std::shared_ptr<const http::Site> WorkerGeneration::site_of(std::size_t index) const {
  const Generation::Listener& listener = plan_.generation->listeners[index];
  const config::Listener& from = listener.settings;
  http::Site::Settings to;
  to.listener = from.name;
  to.redirect = from.mode == config::Mode::kRedirect;
  for (std::size_t i = 0; i < from.routes.size(); ++i) {
    to.routes.push_back({from.routes[i].host, from.routes[i].path, groups_[listener.routes[i]]});
  }
  if (listener.backend) {
    to.backend = groups_[*listener.backend];
  }
  to.forwarded = from.forwarded;
  to.tls_headers = from.tls_headers;
  to.hsts = from.hsts;
  to.limits = {from.max_head_bytes, from.max_headers};
  to.trusted_proxies = from.trusted_proxies;
  // A request's head is as small a thing to wait for as a handshake.
  to.head_timeout = plan_.generation->config.tls.handshake_timeout;
  to.idle_timeout = from.idle_timeout;
  to.metrics = plan_.listeners[index].http;
  return std::make_shared<const http::Site>(std::move(to));
}

std::vector<std::shared_ptr<const tls::ServerContext>> WorkerGeneration::take_contexts() {
  std::vector<std::shared_ptr<const tls::ServerContext>> contexts;
  for (const Entry& entry : entries_) {
    if (entry.state->tls) {
      contexts.push_back(std::move(entry.state->tls));
    }
  }
  return contexts;
}

}  // namespace usher::server
