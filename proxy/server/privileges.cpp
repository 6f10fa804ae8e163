#include "proxy/server/privileges.h"

#include <cap-ng.h>
#include <pwd.h>
#include <unistd.h>

#include <utility>
#include <vector>

namespace usher::server {

namespace {

struct User {
  uid_t uid = 0;
  gid_t gid = 0;
};

// Not getpwnam: a reload looks users up beside the main thread.
Result<User> find_user(const std::string& user) {
  std::vector<char> text(16 * 1024);  // an entry's strings; getpwnam_r(3) says ERANGE if too small
  passwd entry{};
  passwd* found = nullptr;
  (void)::getpwnam_r(user.c_str(), &entry, text.data(), text.size(), &found);
  if (found == nullptr) {
    return fail("there is no user '" + user + "'; create it (adduser --system " + user +
                ") or name another");
  }
  return User{entry.pw_uid, entry.pw_gid};
}

}  // namespace

Result<uid_t> uid_of(const std::string& user) {
  if (user.empty()) {
    return ::geteuid();
  }
  auto found = find_user(user);
  return found ? Result<uid_t>(found->uid) : Unexpected(std::move(found).error());
}

Result<void> drop_privileges(const std::string& user) {
  if (user.empty()) {
    return {};
  }
  auto found = find_user(user);
  if (!found) {
    return Unexpected(std::move(found).error());
  }
  const auto [uid, gid] = *found;
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
