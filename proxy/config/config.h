#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proxy/base/log.h"
#include "proxy/config/backend.h"
#include "proxy/config/listener.h"
#include "proxy/config/place.h"

// The proxy's configuration as plain values: what CONTRACT names, checked and with defaults filled
// in. A key whose feature is not in this build has no member here. Parsing and its messages are in
// parse.h.
namespace usher::config {

struct Process {
  std::string node;                   // default: the host's name
  unsigned workers = 0;               // resolved: ≥ 1
  std::string user;                   // "" keeps the user it was started as
  std::uint64_t max_connections = 0;  // 0: from the descriptor limit
  Milliseconds drain_delay{0};
  Milliseconds drain_timeout{30'000};
  Place place;
};

struct Log {
  log::Level level = log::Level::kInfo;
  log::Format format = log::Format::kLogfmt;
  std::string access = "off";  // "off", "stdout" or a path
  Place place;
};

struct Admin {
  std::string listen = "127.0.0.1:9464";         // "" none
  std::string socket = "/run/usher/usher.sock";  // "" none
  std::vector<std::string> allow_groups;
  Place place;
};

struct Tls {
  unsigned min_version = 0x0303;  // protocol numbers of RFC 8446 §4.2.1: 0x0303 or 0x0304
  unsigned max_version = 0x0304;
  std::string ciphers;  // OpenSSL's list syntax; "" is Usher's own order (AES-128-GCM first)
  std::string ciphersuites;
  std::string groups;
  std::string sigalgs;
  Milliseconds session_lifetime{6 * 3'600'000};
  Milliseconds lineage_max{24 * 3'600'000};
  Milliseconds handshake_timeout{10'000};
  Place place;
};

enum class TicketSource { kEmbedded, kKeyd, kFile, kOff };

struct Tickets {
  TicketSource source = TicketSource::kEmbedded;
  unsigned per_handshake = 1;
  Milliseconds rotate_every{3'600'000};  // embedded
  // none: no limit (file), or the ring brings its own (keyd)
  std::optional<Milliseconds> seal_max_age{3 * 3'600'000};
  std::optional<Milliseconds> open_max_age{9 * 3'600'000};
  std::vector<std::string> keyd;  // "unix:/PATH" or "tls:HOST:PORT"
  std::string keyd_user;          // "" none besides root and our own
  std::string ca;                 // PEM paths, for tls: endpoints
  std::string cert;
  std::string key;
  Milliseconds wait{10'000};      // how long readiness waits for keyd's first ring
  std::vector<std::string> file;  // key files of nginx, HAProxy or `usherctl keys export`
  Place place;
  Place keyd_place;  // of the key `keyd`, and so on; the section's when it is not there
  Place tls_place;
  Place user_place;
  Place file_place;
};

// Sessions of clients that come back without a ticket.
struct SessionCache {
  std::size_t memory_entries = 20'000;  // 0: no memory tier
  bool stateful_tls13 = false;
  std::vector<std::string> redis;  // URLs (redis/url.h); empty: none
  bool redis_cluster = false;      // written as a list
  Milliseconds redis_timeout{20};
  Place place;
  Place redis_place;
};

struct Config {
  Process process;
  Log log;
  Admin admin;
  Tls tls;
  Tickets tickets;
  SessionCache session_cache;
  std::vector<Listener> listeners;
  std::vector<Backend> backends;
  std::string path;                   // the file it was read from; "" for `usher quick`
  std::vector<std::string> warnings;  // for the log; never fatal
};

}  // namespace usher::config
