#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace usher::metrics {

enum class Kind : std::uint8_t { kCounter, kGauge, kHistogram };

struct Spec {
  std::string_view name;
  Kind kind;
  std::array<std::string_view, 3> labels;  // unused ones are empty
  std::string_view help;
};

}  // namespace usher::metrics
