#include "proxy/keyring/base64.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "proxy/base/bytes.h"

namespace usher::keyring {
namespace {

constexpr struct {
  const char* plain;
  const char* text;
} kVectors[] = {
    // RFC 4648 §10
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
    {"\xfb\xff\xbf", "+/+/"},
};

std::string encoded(std::string_view plain) {
  std::string text(base64_size(plain.size()), '\0');
  encode_base64(bytes_of(plain), text);
  return text;
}

TEST(Base64, is_that_of_rfc4648) {
  for (const auto& vector : kVectors) {
    const std::string_view plain = vector.plain;
    EXPECT_EQ(encoded(plain), vector.text);
    EXPECT_EQ(base64_bytes(vector.text), plain.size());
    std::vector<std::byte> bytes(plain.size());
    EXPECT_TRUE(decode_base64(vector.text, bytes)) << vector.text;
    EXPECT_EQ(text_of(bytes), plain);
  }
}

TEST(Base64, every_byte_at_every_place) {
  for (unsigned value = 0; value < 256; ++value) {
    for (std::size_t size = 1; size <= 4; ++size) {
      const std::string plain(size, static_cast<char>(value));
      std::vector<std::byte> bytes(size);
      EXPECT_TRUE(decode_base64(encoded(plain), bytes));
      EXPECT_EQ(text_of(bytes), plain);
    }
  }
}

TEST(Base64, refuses) {
  const struct {
    const char* text;
    std::size_t size;
    const char* why;
  } cases[] = {
      {"Zm9v", 2, "more than asked for"},
      {"Zm9v", 4, "less than asked for"},
      {"Zm8=", 3, "padding counts"},
      {"", 1, "nothing"},
      {"Zm9", 3, "cut"},
      {"Zm9vY", 3, "a character more"},
      {"Zm9v\n", 3, "a line end"},
      {" Zm9v", 3, "a space before"},
      {"Zm 9", 3, "a space inside"},
      {"Zm-_", 3, "the URL alphabet"},
      {"Zm=v", 3, "padding inside"},
      {"Z===", 1, "too much padding"},
      {"====", 1, "only padding"},
      {"Zh==", 1, "stray bits"},
      {"Zm9=", 2, "stray bits"},
      {"Zm\xc3\xa9", 3, "no ASCII"},
  };
  for (const auto& test : cases) {
    std::vector<std::byte> bytes(test.size);
    EXPECT_FALSE(decode_base64(test.text, bytes)) << test.why;
  }
  std::vector<std::byte> bytes(3);
  EXPECT_FALSE(decode_base64(std::string_view("Z\0m9", 4), bytes)) << "NUL";
}

TEST(Base64, size_of_no_base64_is_none) {
  for (const char* text : {"A", "AA", "AAA", "AAAAA"}) {
    EXPECT_EQ(base64_bytes(text), 0U) << text;
  }
}

}  // namespace
}  // namespace usher::keyring
