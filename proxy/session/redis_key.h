#pragma once

#include <algorithm>
#include <array>
#include <string_view>

#include "proxy/base/bytes.h"
#include "proxy/base/check.h"
#include "proxy/session/session_keys.h"

namespace usher::session {

// "usher:s:<hex of the name>" (CONTRACT), without an allocation.
class RedisKey {
 public:
  explicit RedisKey(ByteView name) {
    CHECK(name.size() == kNameSize);
    constexpr std::string_view kDigits = "0123456789abcdef";
    auto out = std::ranges::copy(kPrefix, text_.begin()).out;
    for (const std::byte byte : name) {
      *out++ = kDigits[std::to_integer<std::size_t>(byte >> 4)];
      *out++ = kDigits[std::to_integer<std::size_t>(byte & std::byte{15})];
    }
  }
  std::string_view view() const { return {text_.data(), text_.size()}; }

 private:
  static constexpr std::string_view kPrefix = "usher:s:";
  std::array<char, kPrefix.size() + 2 * kNameSize> text_;
};

}  // namespace usher::session
