#include "proxy/backend/connect_error.h"

#include <cerrno>

namespace usher::backend {

BackendMetrics::Failure failure_of(int error) {
  switch (error) {
    case ECONNREFUSED:
      return BackendMetrics::kRefused;
    case ETIMEDOUT:
      return BackendMetrics::kTimeout;
    case ECONNRESET:
    case EPIPE:
      return BackendMetrics::kReset;
    default:
      return BackendMetrics::kUnreachable;
  }
}

bool lacks_resources(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace usher::backend
