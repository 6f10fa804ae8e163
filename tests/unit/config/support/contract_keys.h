#pragma once

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace usher::config {

// One key of the contract, with TOML literals for each way in which a file can use it.
struct KeyCase {
  std::string_view header;
  std::string_view key;
  std::vector<std::string_view> good;   // the default first, where there is one
  std::vector<std::string_view> wrong;  // of the wrong type, malformed, out of range
  std::string_view mode = "tcp";        // of the listener, without which the key has no effect
};

const std::vector<KeyCase>& contract_keys();

// The contract's own list: one line per table, "[header] key key key".
extern const std::string_view kContractList;

inline std::ostream& operator<<(std::ostream& out, const KeyCase& key) {
  return out << key.header << ' ' << key.key;
}

}  // namespace usher::config
