#pragma once

#include <cstddef>
#include <string>

#include "proxy/base/bytes.h"
#include "proxy/base/result.h"
#include "proxy/base/secret.h"

// Key files and whatever else may hold secrets, from and to the file system without a copy outside
// of wiped memory. Errors name the file and what to do. Thread: any.
namespace usher::ctl {

// The whole of a file, or of standard input for "-"; more than `bytes_max` and an empty file are
// errors.
Result<SecretBuffer> read_secret_file(const std::string& path, std::size_t bytes_max);

// Whether write_secret_file may put a file there; it looks again.
Result<void> check_target(const std::string& path, bool replace);
// Whole or not at all, mode 0600, durable when it returns. Without `replace` an existing file (or
// link) is left alone, also one that appears meanwhile; with it a regular file is replaced, what is
// no file is not.
Result<void> write_secret_file(const std::string& path, ByteView bytes, bool replace);

}  // namespace usher::ctl
