#pragma once

#include <memory>
#include <vector>

#include "proxy/base/snapshot.h"

namespace usher::backend {

// Which servers of a backend the active checks find usable, in the order of its configuration.
using Health = std::vector<bool>;
using SharedHealth = std::shared_ptr<const Snapshot<Health>>;

}  // namespace usher::backend
