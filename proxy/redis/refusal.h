#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace usher::redis {

// What an error reply says about the server (its first word; redis.io, "RESP protocol").
enum class Refusal : std::uint8_t {
  kMoved,           // MOVED: the slot is another node's
  kAsk,             // ASK: this key may be there already, this once
  kReplica,         // READONLY, MASTERDOWN: the server became (or is) a replica
  kSignedOut,       // NOAUTH: AUTH is asked for by now
  kUnwell,          // LOADING, BUSY: cannot serve anybody at present
  kUnknownCommand,  // an older server, or a renamed command
  kThisCommand,     // anything else: the server is well, but does not do this (WRONGTYPE, OOM),
                    // or not before a failover has ended (CLUSTERDOWN)
};

Refusal refusal_of(std::string_view error);

// "MOVED 3999 127.0.0.1:6381", "ASK 3999 ::1:6381" (redis.io, "Redis cluster specification").
struct Redirect {
  bool ask = false;
  std::uint16_t slot = 0;
  std::string host;  // "": the host that was asked
  std::uint16_t port = 0;
};

// None: no redirection, or one that leads nowhere ("?": the node's name is not known).
std::optional<Redirect> parse_redirect(std::string_view error);

}  // namespace usher::redis
