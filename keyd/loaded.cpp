#include "keyd/loaded.h"

#include <unistd.h>

#include <array>
#include <utility>

#include "proxy/admin/peer_access.h"

namespace usher::keyd {

Result<Loaded> load_files(const Config& config) {
  Loaded loaded;
  auto admission = Admission::of(config.keyd, config.tls);
  if (!admission) {
    return Unexpected(std::move(admission).error());
  }
  loaded.admission = *std::move(admission);
  auto readers = admin::group_ids(config.keyd.ctl_groups);
  if (!readers) {
    return Unexpected(
        std::move(readers).error().within(config.keyd.place.to_string() + ": ctl_groups"));
  }
  loaded.readers = *std::move(readers);
  if (!config.tls.cert.empty()) {
    auto tls = push::ChannelTls::load({config.tls.ca, config.tls.cert, config.tls.key});
    if (!tls) {
      return Unexpected(std::move(tls).error().within(config.tls.place.to_string()));
    }
    loaded.tls = *std::move(tls);
    loaded.warnings = loaded.tls->warnings();
  }
  return loaded;
}

FleetPolicy policy_of(const RotationSettings& rotation) {
  return {{rotation.seal_max_age, rotation.keep}, rotation.every, rotation.promote_hold_max};
}

StoreIdentity identity_of(const Config& config) {
  std::array<char, 256> host{};
  (void)::gethostname(host.data(), host.size() - 1);
  return {config.keyd.fleet, std::string(host.data()) + ":" + config.keyd.socket};
}

}  // namespace usher::keyd
