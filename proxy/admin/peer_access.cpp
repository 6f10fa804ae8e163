#include "proxy/admin/peer_access.h"

#include <grp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "proxy/base/peer_credentials.h"
#include "proxy/base/unix_errors.h"

namespace usher::admin {
namespace {

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
  const auto peer = peer_credentials(fd);
  if (!peer) {
    return Access::kNone;
  }
  if (peer->uid == 0 || peer->uid == ::geteuid()) {
    return Access::kChange;
  }
  const bool reads = std::find_first_of(peer->groups.begin(), peer->groups.end(), readers.begin(),
                                        readers.end()) != peer->groups.end();
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
