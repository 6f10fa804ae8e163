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

// 0 and `entry` filled in by `look_up`, ENOENT for an unknown name, else errno.
template <class Entry, class LookUp>
int find(LookUp look_up, const std::string& name, Entry& entry) {
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

// `look_up` is getpwnam_r or getgrnam_r, `id` the entry's number; `what` they name.
template <class Entry, class Id, class LookUp>
Result<std::vector<Id>> ids_of(const std::vector<std::string>& names, const char* what,
                               LookUp look_up, Id Entry::*id) {
  std::vector<Id> ids;
  for (const std::string& name : names) {
    Entry entry{};
    if (const int error = find(look_up, name, entry); error != 0) {
      return unknown(what, name, error);
    }
    ids.push_back(entry.*id);
  }
  return ids;
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
  return ids_of(names, "user", &::getpwnam_r, &passwd::pw_uid);
}

Result<std::vector<gid_t>> group_ids(const std::vector<std::string>& names) {
  return ids_of(names, "group", &::getgrnam_r, &group::gr_gid);
}

}  // namespace usher::admin
