#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/result.h"

// GET /keys for people, and key names as people write them. Pure. What is not of the shape that our
// daemons answer with throws nlohmann's exceptions.
namespace usher::ctl {

// Source or leader, limits, keys with short names, and who has taken which ring.
std::string keys_text(const nlohmann::json& keys);
// The members of keyd's fleet ("" for none): GET /nodes, and part of keys_text.
std::string members_table(const nlohmann::json& members);

// How many digits tell these names apart, at least 8.
std::size_t short_name_size(const std::vector<std::string>& names);
// Whether that may be a key's name or its beginning: 4 to 32 hex digits, either case.
bool is_name_prefix(std::string_view text);
// The one key of GET /keys whose name begins so. Errors list the
// candidates.
Result<std::string> whole_name(std::string_view prefix, const nlohmann::json& keys);

}  // namespace usher::ctl
