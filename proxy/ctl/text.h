#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

// How values are shown to people.
namespace usher::ctl {

std::string age_text(double seconds);        // "0.4s" "42s" "3m 2s" "5h 3m" "12d 4h"
std::string time_text(std::int64_t unix_s);  // "2026-11-21 15:02:03 UTC"
// What comes from elsewhere never reaches a terminal raw: not printable ASCII becomes \xNN.
std::string printable(std::string_view text);
std::string count_text(std::uint64_t count, std::string_view noun);  // "1 key", "3 keys"

// The object's member as text, made printable; "" when it is not there or null.
std::string member_text(const nlohmann::json& object, const char* name);

// "a, b": an array of texts, made printable.
std::string joined(const nlohmann::json& texts);

}  // namespace usher::ctl
