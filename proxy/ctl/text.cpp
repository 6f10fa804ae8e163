#include "proxy/ctl/text.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>

namespace usher::ctl {
namespace {

constexpr std::int64_t kMinute = 60;
constexpr std::int64_t kHour = 60 * kMinute;
constexpr std::int64_t kDay = 24 * kHour;
constexpr std::int64_t kYearMax = 253'402'300'799;  // the end of 9999, the last that gmtime formats

std::string two_units(std::int64_t whole, std::int64_t unit, char name, std::int64_t part_unit,
                      char part_name) {
  const std::int64_t part = whole % unit / part_unit;
  return part == 0 ? fmt::format("{}{}", whole / unit, name)
                   : fmt::format("{}{} {}{}", whole / unit, name, part, part_name);
}

}  // namespace

std::string age_text(double seconds) {
  seconds = std::max(seconds, 0.0);
  if (seconds < 9.95 && std::abs(seconds - std::round(seconds)) >= 0.05) {
    return fmt::format("{:.1f}s", seconds);
  }
  // An int64 of seconds holds any age; what does not fit is no age.
  const auto whole = static_cast<std::int64_t>(std::min(std::round(seconds), 1e15));
  if (whole < kMinute) {
    return fmt::format("{}s", whole);
  }
  if (whole < kHour) {
    return two_units(whole, kMinute, 'm', 1, 's');
  }
  if (whole < kDay) {
    return two_units(whole, kHour, 'h', kMinute, 'm');
  }
  return two_units(whole, kDay, 'd', kHour, 'h');
}

std::string time_text(std::int64_t unix_s) {
  if (unix_s < 0 || unix_s > kYearMax) {
    return fmt::format("{} (Unix time)", unix_s);
  }
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(static_cast<std::time_t>(unix_s)));
}

std::string printable(std::string_view text) {
  std::string shown;
  for (const char c : text) {
    if (c >= ' ' && c <= '~') {
      shown += c;
    } else {
      shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return shown;
}

std::string count_text(std::uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string member_text(const nlohmann::json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) {
    return "";
  }
  return found->is_string() ? printable(found->get<std::string>()) : found->dump();
}

std::string joined(const nlohmann::json& texts) {
  std::string all;
  for (const nlohmann::json& text : texts) {
    all += (all.empty() ? "" : ", ") + printable(text.get<std::string>());
  }
  return all;
}

}  // namespace usher::ctl
