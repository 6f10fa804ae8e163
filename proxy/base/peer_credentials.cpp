#include "proxy/base/peer_credentials.h"

#include <sys/socket.h>

#include <cerrno>

namespace usher {
namespace {

// What the kernel says of sockets that have no peer or are no Unix sockets.
constexpr uid_t kNobody = static_cast<uid_t>(-1);

// Supplementary groups of the peer; empty when they cannot be read.
std::vector<gid_t> peer_groups(int fd) {
  std::vector<gid_t> groups(32);
  for (;;) {
    auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0) {
      groups.resize(size / sizeof(gid_t));
      return groups;
    }
    const std::size_t wanted = size / sizeof(gid_t);
    if (errno != ERANGE || wanted <= groups.size()) {
      return {};
    }
    groups.resize(wanted);  // ERANGE tells the size (at most NGROUPS_MAX)
  }
}

}  // namespace

std::optional<PeerCredentials> peer_credentials(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || size != sizeof peer ||
      peer.uid == kNobody) {
    return std::nullopt;
  }
  PeerCredentials credentials{peer.uid, peer.pid, {peer.gid}};
  const std::vector<gid_t> groups = peer_groups(fd);
  credentials.groups.insert(credentials.groups.end(), groups.begin(), groups.end());
  return credentials;
}

}  // namespace usher
