#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/result.h"
#include "proxy/base/socket_address.h"
#include "proxy/config/config.h"
#include "proxy/config/parse.h"

// usher-keyd's configuration as plain values: what CONTRACT names under "usher-keyd", checked and
// with defaults filled in.
namespace usher::keyd {

using config::Milliseconds;
using config::Place;

// Where subscribers come in: "unix:/path", or "tls:IP:PORT" with mutual TLS.
struct ListenAddress {
  std::string text;       // as configured
  std::string path;       // unix; "" for tls
  SocketAddress address;  // tls
};

struct KeydSettings {
  std::vector<ListenAddress> listen;                // at least one
  std::string socket = "/run/usher-keyd/ctl.sock";  // "" none
  std::string admin = "127.0.0.1:9465";             // "" none
  std::string fleet = "default";                    // names the state in a shared Redis
  std::vector<std::string> allow_users;             // who may subscribe besides root and our uid
  std::vector<std::string> allow_groups;
  std::vector<std::string> ctl_groups;  // who may read the control socket
  Place place;
};

// For tls: listeners.
struct TlsSettings {
  std::string ca;  // PEM paths
  std::string cert;
  std::string key;
  std::vector<std::string> allow;  // globs that match whole DNS SANs
  Place place;
};

struct RotationSettings {
  Milliseconds every{3'600'000};
  Milliseconds seal_max_age{3 * 3'600'000};
  Milliseconds keep{9 * 3'600'000};  // the ring's open_max_age
  Milliseconds promote_hold_max{600'000};
  Place place;
};

enum class StoreKind { kFile, kRedis };

struct StoreSettings {
  StoreKind kind = StoreKind::kFile;
  std::string path;      // kFile: the state's file; its directory holds the temporary ones
  std::string key_file;  // a path, or "credential:NAME" of $CREDENTIALS_DIRECTORY
  std::vector<std::string> redis;  // kRedis: one URL, or the nodes of a cluster
  Milliseconds lease{10'000};      // kRedis
  Place place;
};

struct Config {
  KeydSettings keyd;
  TlsSettings tls;
  RotationSettings rotation;
  StoreSettings store;
  config::Log log;
  std::string path;                   // the file it was read from
  std::vector<std::string> warnings;  // for the log; never fatal
};

// As config::parse and config::load, for usher-keyd's file. Thread: any.
Result<Config, config::Problems> parse(std::string_view text, const std::string& file_name);
Result<Config, config::Problems> load(const std::string& path);

}  // namespace usher::keyd
