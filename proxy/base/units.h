#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace usher {

// "20ms" "10s" "5m" "6h" "2d": a whole number and one unit, or a bare 0; none for anything else and
// on overflow.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

// The shortest exact form of the same grammar: 90000 ms → "90s", 3600000 ms → "1h".
std::string format_duration(std::chrono::milliseconds duration);

}  // namespace usher
