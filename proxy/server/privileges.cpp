#include "proxy/server/privileges.h"

#include <cap-ng.h>
#include <pwd.h>
#include <unistd.h>

#include <utility>

namespace usher::server {

namespace {

Result<const passwd*> find_user(const std::string& user) {
  const passwd* entry = ::getpwnam(user.c_str());
  if (entry == nullptr) {
    return fail("there is no user '" + user + "'; create it (adduser --system " + user +
                ") or change process.user");
  }
  return entry;
}

}  // namespace

Result<uid_t> uid_of(const std::string& user) {
  if (user.empty()) {
    return ::geteuid();
  }
  auto entry = find_user(user);
  return entry ? Result<uid_t>((*entry)->pw_uid) : Unexpected(std::move(entry).error());
}

Result<void> drop_privileges(const std::string& user) {
  if (user.empty()) {
    return {};
  }
  auto entry = find_user(user);
  if (!entry) {
    return Unexpected(std::move(entry).error());
  }
  const uid_t uid = (*entry)->pw_uid;
  const gid_t gid = (*entry)->pw_gid;
  if (::geteuid() == uid) {
    return {};
  }
  if (::geteuid() != 0) {
    return fail("only root can become user '" + user + "'; start as root or remove process.user");
  }
  capng_clear(CAPNG_SELECT_BOTH);
  if (capng_update(CAPNG_ADD, static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED),
                   CAP_NET_BIND_SERVICE) != 0 ||
      capng_change_id(static_cast<int>(uid), static_cast<int>(gid),
                      static_cast<capng_flags_t>(CAPNG_INIT_SUPP_GRP | CAPNG_CLEAR_BOUNDING)) !=
          0) {
    return fail("could not become user '" + user + "' with CAP_NET_BIND_SERVICE kept");
  }
  return {};
}

}  // namespace usher::server
