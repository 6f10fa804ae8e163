// The rows of /metrics that belong to the process rather than to a worker.
#include <openssl/crypto.h>

#include <algorithm>

#include "proxy/server/running_server.h"

namespace usher::server {
namespace {

constexpr std::pair<keyring::KeyState, const char*> kStates[] = {
    {keyring::KeyState::kNext, "next"},
    {keyring::KeyState::kCurrent, "current"},
    {keyring::KeyState::kPrevious, "previous"},
};

double keys_in(const keyring::KeyRing& ring, keyring::KeyState state) {
  return static_cast<double>(
      std::ranges::count(ring.entries(), state, &keyring::KeyRing::Entry::state));
}

double oldest_age(const keyring::KeyRing& ring, keyring::KeyState state) {
  std::chrono::duration<double> oldest(0);
  for (const keyring::KeyRing::Entry& entry : ring.entries()) {
    if (entry.state == state) {
      oldest =
          std::max(oldest, std::chrono::duration<double>(BootClock::now() - entry.key->created));
    }
  }
  return oldest.count();
}

}  // namespace

void RunningServer::register_process_metrics() {
  const Snapshot<keyring::KeyRing>& rings = keys_.rings();
  process_rows_.add(metrics::kTicketsWithoutRing, {}, [&rings] {
    return rings.latest()->sealing_key(BootClock::now()) == nullptr ? 1.0 : 0.0;
  });
  for (const auto& [state, name] : kStates) {
    process_rows_.add(metrics::kTicketKeys, {name},
                      [&rings, state = state] { return keys_in(*rings.latest(), state); });
    process_rows_.add(metrics::kTicketKeyAge, {name},
                      [&rings, state = state] { return oldest_age(*rings.latest(), state); });
  }
  process_rows_.add(metrics::kTicketRingVersion, {},
                    [&rings] { return static_cast<double>(rings.latest()->version().version); });
  process_rows_.add(metrics::kTicketRingTerm, {},
                    [&rings] { return static_cast<double>(rings.latest()->version().term); });
  process_rows_.add(metrics::kConfigReloads, {"ok"}, reloads_ok_);
  process_rows_.add(metrics::kConfigReloads, {"failed"}, reloads_failed_);
  process_rows_.add(metrics::kBuildInfo, {USHER_VERSION, OpenSSL_version(OPENSSL_VERSION_STRING)},
                    [] { return 1.0; });
}

}  // namespace usher::server
