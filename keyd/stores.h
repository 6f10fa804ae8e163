#pragma once

#include <memory>
#include <string>

#include "keyd/config.h"
#include "keyd/store.h"
#include "proxy/base/result.h"
#include "proxy/base/secret.h"
#include "proxy/uv/loop.h"

namespace usher::keyd {

using StoreKey = Secret<32>;  // the key-encryption key: store.key_file's bytes

// Which fleet's state is stored, and by whom.
struct StoreIdentity {
  std::string fleet;  // keyd.fleet
  std::string name;   // how others call this keyd ("HOST:SOCKET", Events::on_following's `leader`);
                      // need not be unique
};

// The store that `settings` name; Store::start begins its work. Refused here, before anything is
// served: a file that another keyd uses, cannot be written, is damaged or was encrypted under
// another key; URLs that cannot be understood. A server that cannot be reached is no error: that is
// on_lost. Errors say which path or URL and what to do. Thread: the loop's. The loop outlives it.
Result<std::unique_ptr<Store>> open_store(uv::Loop& loop, const StoreSettings& settings,
                                          StoreKey key, StoreIdentity identity);

// For --check: what open_store would refuse, without locking, connecting or writing; a keyd may be
// running on it.
Result<void> check_store(const StoreSettings& settings, const StoreKey& key,
                         const StoreIdentity& identity);

}  // namespace usher::keyd
