#pragma once

#include <sys/types.h>

#include <optional>
#include <vector>

namespace usher {

// Who is at the other end of a Unix socket, as the kernel knows it (unix(7)): an accepted socket's
// peer as it was at connect(2), a connected one's as it was at listen(2).
struct PeerCredentials {
  uid_t uid = 0;
  pid_t pid = 0;              // 0: of a process that our pid namespace does not show
  std::vector<gid_t> groups;  // the primary first; only that when SO_PEERGROUPS cannot be read
};

// nullopt when they cannot be read: then the peer is nobody. Thread: any.
std::optional<PeerCredentials> peer_credentials(int fd);

}  // namespace usher
