#pragma once

#include <memory>
#include <vector>

#include "keyd/admission.h"
#include "keyd/config.h"
#include "keyd/fleet.h"
#include "keyd/stores.h"
#include "proxy/push/channel_tls.h"

namespace usher::keyd {

// What a configuration's names and files came to: all that a reload may change. Thread: main.
struct Loaded {
  Admission admission;
  std::shared_ptr<const push::ChannelTls> tls;  // null without a tls: address
  std::vector<gid_t> readers;                   // ctl_groups
  std::vector<std::string> warnings;
};
// Errors name file:line, or the file.
Result<Loaded> load_files(const Config& config);

FleetPolicy policy_of(const RotationSettings& rotation);
// Its name for others is HOST:SOCKET, where an operator finds it.
StoreIdentity identity_of(const Config& config);

}  // namespace usher::keyd
