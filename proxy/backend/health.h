#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "proxy/base/snapshot.h"

namespace usher::backend {

// What the active checks say of one server.
struct ServerHealth {
  ServerHealth(bool is_up) : up(is_up) {}  // NOLINT(google-explicit-constructor): a verdict
  bool up;
  // How often it has come back: a worker that chose nothing while it was down sees that it was.
  std::uint32_t returns = 0;
};
// Of a backend's servers, in the order of its configuration.
using Health = std::vector<ServerHealth>;
using SharedHealth = std::shared_ptr<const Snapshot<Health>>;

}  // namespace usher::backend
