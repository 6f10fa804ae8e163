#pragma once

#include <sys/types.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "proxy/config/config.h"
#include "proxy/config/parse.h"
#include "proxy/push/channel_tls.h"
#include "proxy/push/endpoint.h"
#include "proxy/server/key_files.h"

namespace usher::server {

// What [tickets] names, read and checked: only the part of the source in use is filled. Short-lived
// (it may hold key bytes): handed to the key source once the configuration is in force.
struct KeyInputs {
  std::vector<push::Endpoint> endpoints;
  std::shared_ptr<const push::ChannelTls> channel_tls;  // null without a tls: endpoint
  std::set<uid_t> keyd_users;
  KeyFilesRead files;
  std::vector<std::string> warnings;
};

// Reads ca, cert, key and the key files. Problems are FILE:LINE messages. Thread: any.
Result<KeyInputs, config::Problems> load_key_inputs(const config::Config& config);

}  // namespace usher::server
