#pragma once

#include <sys/types.h>

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "keyd/config.h"
#include "proxy/base/result.h"
#include "proxy/push/channel.h"

namespace usher::keyd {

// usher_keyd_refused_total's reasons.
enum class Refusal : std::uint8_t {
  kUser,         // unix: neither root, our uid, allow_users nor allow_groups
  kCertificate,  // tls: no DNS SAN that [tls] allow matches
  kNode,         // HELLO's node is none of those names
  kProtocol,     // HELLO of another version
  kMalformed,    // bytes that are no frame, or a frame out of order
  kTls,          // the handshake failed
  kSilent,       // no HELLO in time, or too slow to take its ring
  kFull,         // more connections or members than a fleet has
  kAhead,        // claims a ring that can be none of this fleet's
};
inline constexpr std::size_t kRefusals = 9;
std::string_view name_of(Refusal refusal);

struct Refused {
  Refusal reason{};
  std::string why;  // for the peer's log and ours
};

// Who may subscribe (DESIGN §5 "Push protocol"). An immutable value. Thread: any.
class Admission {
 public:
  // Unknown users and groups are errors that name them.
  static Result<Admission> of(const KeydSettings& keyd, const TlsSettings& tls);

  // Before HELLO: whether such a peer may say anything.
  std::optional<Refused> refuse(const push::PeerIdentity& peer) const;
  // On a Unix socket any node name; over TLS one of the names that refuse() found allowed.
  std::optional<Refused> refuse(const push::PeerIdentity& peer, const push::Hello& hello) const;

 private:
  bool allows(std::string_view dns_name) const;

  std::set<uid_t> users_;
  std::set<gid_t> groups_;
  std::vector<std::string> names_;  // globs
};

}  // namespace usher::keyd
