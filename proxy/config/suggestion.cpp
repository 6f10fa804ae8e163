#include "proxy/config/suggestion.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace usher::config {
namespace {

constexpr std::size_t kWordMax = 32;  // longer than any name of ours

// Optimal string alignment distance: like Levenshtein's, and swapped neighbours count once.
std::size_t distance(std::string_view a, std::string_view b) {
  using Row = std::array<std::size_t, kWordMax + 1>;
  Row before{};
  Row above{};
  Row row{};
  for (std::size_t j = 0; j <= b.size(); ++j) {
    above[j] = j;
  }
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t wrong = a[i - 1] == b[j - 1] ? 0 : 1;
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + wrong});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    before = above;
    above = row;
  }
  return above[b.size()];
}

}  // namespace

std::optional<std::string_view> closest(std::string_view word,
                                        std::span<const std::string_view> known) {
  if (word.empty() || word.size() > kWordMax) {
    return std::nullopt;
  }
  std::optional<std::string_view> best;
  std::size_t least = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string_view candidate : known) {
    if (candidate.size() > kWordMax) {
      continue;
    }
    const std::size_t changes = distance(word, candidate);
    // Changing every letter is no slip: "xy" is not a misspelled "ca".
    const bool is_slip = changes < std::min(word.size(), candidate.size());
    if (is_slip && (changes < least || (changes == least && candidate.starts_with(word)))) {
      least = changes;
      best = candidate;
    }
  }
  return best;
}

}  // namespace usher::config
