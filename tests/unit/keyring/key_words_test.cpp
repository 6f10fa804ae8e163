#include "proxy/keyring/key_words.h"

#include <gtest/gtest.h>

#include "proxy/base/bytes.h"

namespace usher::keyring {
namespace {

TEST(KeyWords, KeyNames) {
  const auto name = parse_key_name("00112233445566778899aabbccddeeFF");
  ASSERT_TRUE(name);
  EXPECT_EQ(hex(*name), "00112233445566778899aabbccddeeff");
  for (const char* bad :
       {"", "00", "00112233445566778899aabbccddeef", "00112233445566778899aabbccddeeff0",
        "00112233445566778899aabbccddeefg", "0x112233445566778899aabbccddeeff",
        "-1112233445566778899aabbccddeeff", " 0112233445566778899aabbccddeeff"}) {
    EXPECT_FALSE(parse_key_name(bad)) << bad;
  }
}

TEST(KeyWords, Formats) {
  EXPECT_EQ(parse_key_file_format("usher"), KeyFileFormat::kUsher);
  EXPECT_EQ(parse_key_file_format("nginx"), KeyFileFormat::kNginx);
  EXPECT_EQ(parse_key_file_format("haproxy"), KeyFileFormat::kHaproxy);
  for (const char* bad : {"", "Usher", "nginx ", "hitch"}) {
    EXPECT_FALSE(parse_key_file_format(bad)) << bad;
  }
}

}  // namespace
}  // namespace usher::keyring
