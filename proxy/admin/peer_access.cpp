#include "proxy/admin/peer_access.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "proxy/base/peer_credentials.h"
#include "proxy/base/unix_errors.h"

namespace usher::admin {
namespace {

// 0 and `entry` filled in by `look_up` (getpwnam_r, getgrnam_r), ENOENT for an unknown name, else
// errno.
template <class Entry>
int find(int (*look_up)(const char*, Entry*, char*, std::size_t, Entry**), const std::string& name,
         Entry& entry) {
  std::vector<char> buffer(1024);
  for (;;) {
    Entry* found = nullptr;
    const int error = look_up(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (error == ERANGE) {
      buffer.resize(buffer.size() * 2);  // a group with very many members
      continue;
    }
    return found == nullptr && error == 0 ? ENOENT : error;
  }
}

Unexpected<Error> unknown(const char* what, const std::string& name, int error) {
  return fail(std::string(what) + " \"" + name + "\": " +
              (error == ENOENT ? std::string("there is no such ") + what : errno_text(error)));
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

Result<std::vector<uid_t>> user_ids(const std::vector<std::string>& names) {
  std::vector<uid_t> ids;
  for (const std::string& name : names) {
    passwd entry{};
    if (const int error = find(&::getpwnam_r, name, entry); error != 0) {
      return unknown("user", name, error);
    }
    ids.push_back(entry.pw_uid);
  }
  return ids;
}

Result<std::vector<gid_t>> group_ids(const std::vector<std::string>& names) {
  std::vector<gid_t> ids;
  for (const std::string& name : names) {
    group entry{};
    if (const int error = find(&::getgrnam_r, name, entry); error != 0) {
      return unknown("group", name, error);
    }
    ids.push_back(entry.gr_gid);
  }
  return ids;
}

}  // namespace usher::admin
