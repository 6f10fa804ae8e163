#include "proxy/keyring/key_words.h"

#include <charconv>
#include <system_error>

namespace usher::keyring {

std::optional<KeyName> parse_key_name(std::string_view hex) {
  KeyName name{};
  if (hex.size() != 2 * name.size()) {
    return std::nullopt;
  }
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char* const digits = hex.data() + 2 * i;
    unsigned value = 0;
    const auto [end, error] = std::from_chars(digits, digits + 2, value, 16);
    if (error != std::errc{} || end != digits + 2) {
      return std::nullopt;
    }
    name[i] = static_cast<std::byte>(value);
  }
  return name;
}

std::optional<KeyFileFormat> parse_key_file_format(std::string_view word) {
  if (word == "usher") {
    return KeyFileFormat::kUsher;
  }
  if (word == "nginx") {
    return KeyFileFormat::kNginx;
  }
  if (word == "haproxy") {
    return KeyFileFormat::kHaproxy;
  }
  return std::nullopt;
}

}  // namespace usher::keyring
