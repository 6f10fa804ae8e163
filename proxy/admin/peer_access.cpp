#include "proxy/admin/peer_access.h"

#include <grp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "proxy/base/unix_errors.h"

namespace usher::admin {
namespace {

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

// 0 and `id` set, ENOENT for an unknown name, else errno.
int find_group(const std::string& name, gid_t& id) {
  std::vector<char> buffer(1024);
  for (;;) {
    group entry{};
    group* found = nullptr;
    const int error = ::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (error == ERANGE) {
      buffer.resize(buffer.size() * 2);  // a group with very many members
      continue;
    }
    if (found == nullptr) {
      return error == 0 ? ENOENT : error;
    }
    id = found->gr_gid;
    return 0;
  }
}

}  // namespace

Access peer_access(int fd, const std::vector<gid_t>& readers) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || size != sizeof peer) {
    return Access::kNone;
  }
  if (peer.uid == 0 || peer.uid == ::geteuid()) {
    return Access::kChange;
  }
  std::vector<gid_t> groups = peer_groups(fd);
  groups.push_back(peer.gid);
  const bool reads = std::find_first_of(groups.begin(), groups.end(), readers.begin(),
                                        readers.end()) != groups.end();
  return reads ? Access::kRead : Access::kNone;
}

Result<std::vector<gid_t>> group_ids(const std::vector<std::string>& names) {
  std::vector<gid_t> ids;
  for (const std::string& name : names) {
    gid_t id = 0;
    const int error = find_group(name, id);
    if (error != 0) {
      return fail("group \"" + name +
                  "\": " + (error == ENOENT ? "there is no such group" : errno_text(error)));
    }
    ids.push_back(id);
  }
  return ids;
}

}  // namespace usher::admin
