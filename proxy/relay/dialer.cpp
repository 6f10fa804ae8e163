#include "proxy/relay/dialer.h"

#include <cerrno>

namespace usher::relay {
namespace {

backend::BackendMetrics::Failure failure_of(int error) {
  switch (error) {
    case ECONNREFUSED:
      return backend::BackendMetrics::kRefused;
    case ETIMEDOUT:
      return backend::BackendMetrics::kTimeout;
    case ECONNRESET:
    case EPIPE:
      return backend::BackendMetrics::kReset;
    default:
      return backend::BackendMetrics::kUnreachable;
  }
}

}  // namespace

Dialer::~Dialer() {
  if (under_way_) {
    listener_.backend->disconnected(choice_.server);
  }
}

// An attempt counts as a connection of its server at once: many clients that arrive together
// spread.
bool Dialer::choose() {
  const auto choice = listener_.backend->choose(tried_);
  if (!choice) {
    return false;
  }
  choice_ = *choice;
  under_way_ = true;
  began_ = std::chrono::steady_clock::now();
  listener_.backend->connected(choice_.server);
  return true;
}

void Dialer::failed(int error) {
  under_way_ = false;
  last_error_ = error;
  listener_.backend->disconnected(choice_.server);
  if (!lacks_resources(error)) {
    listener_.backend_metrics->per_server[choice_.server].failures[failure_of(error)].add();
  }
  tried_.choices.push_back(choice_);
}

void Dialer::succeeded() {
  under_way_ = false;
  listener_.backend_metrics->per_server[choice_.server].connections.add();
  listener_.backend_metrics->connect_seconds.observe(std::chrono::steady_clock::now() - began_);
}

bool Dialer::lacks_resources(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace usher::relay
