#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace usher::ctl {

// A daemon's /status for people; `now` in Unix time. Throws nlohmann's exceptions when the answer
// is of another shape (another version's).
std::string status_text(const nlohmann::json& status, std::int64_t now);

}  // namespace usher::ctl
