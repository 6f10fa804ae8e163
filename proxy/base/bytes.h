#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace usher {

using ByteView = std::span<const std::byte>;

inline ByteView bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

inline std::string_view text_of(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline const unsigned char* uchars(ByteView bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

inline unsigned char* writable_uchars(std::span<std::byte> bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

// Lower-case hexadecimal. Not for key bytes.
std::string hex(ByteView bytes);

}  // namespace usher
