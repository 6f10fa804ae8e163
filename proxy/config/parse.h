#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/result.h"
#include "proxy/config/config.h"

namespace usher::config {

// All that is wrong with a file, in the order of its lines; each "FILE:LINE: what; what was
// expected; what to do". Never empty as an error.
struct Problems {
  std::vector<std::string> messages;
};

// Thread: any; touches nothing but its arguments. `file_name` is only for messages. Input above 1
// MiB is refused.
Result<Config, Problems> parse(std::string_view text, const std::string& file_name);

// A configuration file's text, of at most one byte more than parse() takes; for other programs'
// too.
Result<std::string, Problems> read_text(const std::string& path);

// Reads the file (bounded) and parses it.
Result<Config, Problems> load(const std::string& path);

}  // namespace usher::config
