#pragma once

#include <cstddef>
#include <span>
#include <string_view>

// Base64 (RFC 4648 §4) for key bytes: straight from and into memory that the caller wipes, nothing
// on the way. Strict: no white space, padding where it belongs, no stray bits at the end. Pure.
namespace usher::keyring {

constexpr std::size_t base64_size(std::size_t bytes) {
  return (bytes + 2) / 3 * 4;
}
// The bytes that a text of base64 stands for by its length and padding; 0 for a length that no
// base64 has. Whether it is base64 only decoding tells.
std::size_t base64_bytes(std::string_view text);

// Fills `into` exactly; false when the text is no base64 of that many bytes (then `into` holds
// nothing of use).
bool decode_base64(std::string_view text, std::span<std::byte> into);
// `into` has base64_size(bytes.size()) characters.
void encode_base64(std::span<const std::byte> bytes, std::span<char> into);

}  // namespace usher::keyring
