#pragma once

#include <chrono>
#include <string>

namespace usher::config {

using Milliseconds = std::chrono::milliseconds;

// Where a value stood, for messages of later checks (a file that cannot be read, a name that does
// not match).
struct Place {
  std::string file;
  unsigned line = 0;
  std::string to_string() const;  // "usher.toml:12"
  bool operator==(const Place&) const = default;
};

}  // namespace usher::config
