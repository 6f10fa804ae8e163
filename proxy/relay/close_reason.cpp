#include "proxy/relay/close_reason.h"

#include <array>

namespace usher::relay {
namespace {

constexpr std::array<std::string_view, kCloseReasons> kNames = {
    "finished",         "client_truncated",
    "client_reset",     "client_failed",
    "backend_reset",    "backend_unreachable",
    "handshake_failed", "handshake_timeout",
    "client_gone",      "idle_timeout",
    "drain_timeout",    "proxy_untrusted",
    "proxy_malformed",  "proxy_timeout",
    "key_update_flood", "drain",
    "stopped",          "overload"};
static_assert(static_cast<std::size_t>(CloseReason::kOverload) + 1 == kCloseReasons);

}  // namespace

std::string_view name_of(CloseReason reason) {
  return kNames.at(static_cast<std::size_t>(reason));
}

}  // namespace usher::relay
