#pragma once

#include <memory>

#include "proxy/backend/directory.h"
#include "proxy/backend/health.h"
#include "proxy/config/backend.h"
#include "proxy/tls/backend_tls.h"
#include "proxy/uv/loop.h"

namespace usher::backend {

// Active checks of a backend's servers: every health.interval each, spread over it. A server begins
// as up, goes down after health.fall failures in a row and up again after health.rise good checks;
// each change is logged once, with the reason, and published to the workers' groups. A server
// without a known address is not checked. Thread: main's loop. Owner: the server; groups keep only
// the snapshot.
class HealthChecks {
 public:
  // `tls`: of main's library context; null: plain TCP. health.type is not off.
  HealthChecks(uv::Loop& loop, const config::Backend& backend, SharedEndpoints endpoints,
               std::shared_ptr<tls::BackendTls> tls);
  ~HealthChecks();  // checks under way end
  HealthChecks(const HealthChecks&) = delete;

  void start();  // once
  SharedHealth health() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace usher::backend
