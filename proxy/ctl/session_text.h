#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

// What the proxy tells of its session caches (proxy/server/session_json.h), for people.
namespace usher::ctl {

// Tables: the memory tier, look-ups and stores of both tiers by result, the nodes of Redis.
std::string sessions_text(const nlohmann::json& sessions);
// In one line, for `status`.
std::string sessions_line(const nlohmann::json& sessions);

}  // namespace usher::ctl
