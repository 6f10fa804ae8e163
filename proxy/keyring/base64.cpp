#include "proxy/keyring/base64.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "proxy/base/check.h"

namespace usher::keyring {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t kNone = 0xff;

constexpr std::array<std::uint8_t, 256> kValues = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(kNone);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}();

}  // namespace

std::size_t base64_bytes(std::string_view text) {
  if (text.size() % 4 != 0) {
    return 0;
  }
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  return text.size() / 4 * 3 - padding;
}

bool decode_base64(std::string_view text, std::span<std::byte> into) {
  if (text.size() != base64_size(into.size()) || base64_bytes(text) != into.size()) {
    return false;
  }
  while (!into.empty()) {
    const std::size_t bytes = std::min<std::size_t>(into.size(), 3);
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      const std::uint8_t value = i <= bytes ? kValues[static_cast<unsigned char>(text[i])] : 0;
      if (value == kNone) {
        return false;
      }
      group = group << 6 | value;
    }
    for (std::size_t i = 0; i < bytes; ++i) {
      into[i] = static_cast<std::byte>(group >> (16 - 8 * i));
    }
    if ((group & (0xffffffU >> (8 * bytes))) != 0) {
      return false;  // bits that stand for nothing
    }
    text.remove_prefix(4);
    into = into.subspan(bytes);
  }
  return true;
}

void encode_base64(std::span<const std::byte> bytes, std::span<char> into) {
  CHECK(into.size() == base64_size(bytes.size()));
  while (!bytes.empty()) {
    const std::size_t count = std::min<std::size_t>(bytes.size(), 3);
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group = group << 8 | (i < count ? std::to_integer<std::uint32_t>(bytes[i]) : 0);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      into[i] = i <= count ? kAlphabet[group >> (18 - 6 * i) & 63] : '=';
    }
    bytes = bytes.subspan(count);
    into = into.subspan(4);
  }
}

}  // namespace usher::keyring
