#include "proxy/base/units.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <utility>

namespace usher {
namespace {

constexpr std::array<std::pair<std::string_view, std::int64_t>, 5> kUnits{
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};

}  // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || text.front() == '-') {
    return std::nullopt;
  }
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  if (unit.empty() && number == 0) {
    return std::chrono::milliseconds(0);
  }
  for (const auto& [name, factor] : kUnits) {
    std::int64_t product = 0;
    if (unit == name && !__builtin_mul_overflow(number, factor, &product)) {
      return std::chrono::milliseconds(product);
    }
  }
  return std::nullopt;
}

std::string format_duration(std::chrono::milliseconds duration) {
  for (const auto& [name, factor] : kUnits) {
    if (duration.count() != 0 && duration.count() % factor == 0) {
      return std::to_string(duration.count() / factor) + std::string(name);
    }
  }
  return "0s";
}

}  // namespace usher
