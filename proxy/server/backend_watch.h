#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "proxy/backend/directory.h"
#include "proxy/backend/health_checks.h"
#include "proxy/server/generation.h"

namespace usher::server {

// One backend as the main thread watches it for all workers: where its servers are and which of
// them the active checks find usable. A reload that leaves the backend as it was keeps it, and with
// it the workers keep their groups. Thread: main's loop. Owner: shared by the server and a rollout.
class BackendWatch {
 public:
  using Ptr = std::shared_ptr<BackendWatch>;

  // One for each backend of the generation: that of `known` (in force) which is unchanged, else a
  // new one, which begins with the addresses that `known` have resolved.
  static Result<std::vector<Ptr>> for_all(uv::Loop& loop, const Generation& generation,
                                          std::span<const Ptr> known);

  // Begins to watch, once; calls back when every name has been answered for the first time, at once
  // when that was before.
  void start(std::function<void()> on_first_answers);

  const backend::SharedEndpoints& endpoints() const { return endpoints_; }
  const backend::SharedHealth& health() const { return health_; }  // null: no active checks
  // The server has an address, and the checks, if any, find it usable.
  bool up(std::size_t server) const;

 private:
  BackendWatch(const config::Backend& settings, Generation::BackendTlsPtr tls,
               std::unique_ptr<backend::Directory> directory);
  static Result<Ptr> create(uv::Loop& loop, const config::Backend& settings,
                            Generation::BackendTlsPtr tls, std::span<const Ptr> known);
  bool watches(const config::Backend& settings, const Generation::BackendTlsPtr& tls) const;

  const config::Backend settings_;
  const Generation::BackendTlsPtr tls_;
  const std::unique_ptr<backend::Directory> directory_;
  const backend::SharedEndpoints endpoints_;
  std::unique_ptr<backend::HealthChecks> checks_;  // null: health.type is "off"
  backend::SharedHealth health_;
  bool started_ = false;
};

}  // namespace usher::server
