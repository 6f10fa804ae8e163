#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace usher::config {

// The known word that a slip of the fingers turns into `word` (at most a third of its letters, two
// for short words: swapped, missing, added, wrong); none when nothing is near.
std::optional<std::string_view> closest(std::string_view word,
                                        std::span<const std::string_view> known);

}  // namespace usher::config
