#pragma once

#include "proxy/backend/backend_metrics.h"

namespace usher::backend {

// What an errno of connect(2) or SO_ERROR counts as; ETIMEDOUT also for our own limit.
BackendMetrics::Failure failure_of(int error);
// No descriptor or memory on this machine: no other server would do better, and none is to blame.
bool lacks_resources(int error);

}  // namespace usher::backend
