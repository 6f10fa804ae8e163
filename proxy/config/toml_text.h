#pragma once

#include <string>
#include <string_view>

#include "proxy/config/document.h"

namespace usher::config {

// Text for a message: what is not printable ASCII becomes \xNN, and what is longer than `max_bytes`
// ends in
// "...": files are hostile, terminals obey them.
std::string printable(std::string_view text, std::size_t max_bytes = 80);

// A value as it would stand in a file, printable and shortened: "http" with its quotes, ["a", "b"].
std::string toml_text(const Value& value);

// "key = value".
std::string toml_text(std::string_view key, const Value& value);

}  // namespace usher::config
