#pragma once

#include <sys/types.h>

#include <string>

#include "proxy/base/result.h"

namespace usher::server {

// The uid of `user`; ours for "". Errors name the user and what to do.
Result<uid_t> uid_of(const std::string& user);

// Becomes `user` with its groups for good, keeping only CAP_NET_BIND_SERVICE so that a reload can
// bind ports below 1024. "" or the user we already are: nothing happens. Needs root otherwise.
// Before any thread exists. From here on every file is read as that user: what start-up can read, a
// reload can read too (DESIGN §7).
Result<void> drop_privileges(const std::string& user);

}  // namespace usher::server
