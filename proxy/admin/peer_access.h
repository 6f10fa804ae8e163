#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "proxy/admin/http_message.h"
#include "proxy/base/result.h"

namespace usher::admin {

// What the peer of a control socket may do, by SO_PEERCRED and SO_PEERGROUPS (its credentials at
// connect, unix(7)): root and our own uid all, members of `readers` (primary or supplementary
// group) read, others nothing. A peer whose credentials cannot be read may nothing. Thread: any.
Access peer_access(int fd, const std::vector<gid_t>& readers);

// Names to ids; an unknown one is an error that names it. Thread: main (asks the name service).
Result<std::vector<uid_t>> user_ids(const std::vector<std::string>& names);
Result<std::vector<gid_t>> group_ids(const std::vector<std::string>& names);

}  // namespace usher::admin
