#pragma once

#include <string>

#include "keyd/stores.h"
#include "proxy/base/result.h"

namespace usher::keyd {

// The key-encryption key of store.key_file: 32 raw bytes in a regular file that belongs to us or
// root and that nobody else may read or write; or "credential:NAME", a file of that name in
// $CREDENTIALS_DIRECTORY (systemd.exec(5) "Credentials"). Errors name the file and what to do,
// never its bytes. Thread: any.
Result<StoreKey> load_store_key(const std::string& key_file);

}  // namespace usher::keyd
