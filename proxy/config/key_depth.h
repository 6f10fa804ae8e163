#pragma once

#include <optional>
#include <string_view>

namespace usher::config {

// toml++ 3.3 makes one nested table per part of a dotted key, without limit, and destroys them
// recursively: a megabyte of "a.a.a" would use up the stack (found by OSS-Fuzz, limited upstream
// after 3.4).
constexpr unsigned kKeyPartsMax = 16;

// The line (from 1) of the first key with more parts. Reads strings and comments as TOML does; what
// it could misread is no TOML, and toml++ stops there too.
std::optional<unsigned> line_of_too_deep_key(std::string_view text);

}  // namespace usher::config
