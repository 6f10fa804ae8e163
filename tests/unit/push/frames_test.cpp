#include "proxy/push/frames.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "proxy/base/bytes.h"
#include "tests/unit/push/support/frames.h"

namespace usher::push {
namespace {

using namespace std::chrono_literals;
using namespace test;

// The examples of keyd/PROTOCOL.md.
TEST(Frames, HaveTheDocumentedBytes) {
  EXPECT_EQ(hex_of(Hello{1, kInstance, 2, "proxy-1"}),
            "00000014"
            "01"
            "0001"
            "0102030405060708"
            "0002"
            "70726f78792d31");
  EXPECT_EQ(hex_of(ring("abc")),
            "00000004"
            "02"
            "616263");
  EXPECT_EQ(hex_of(Applied{{3, 7}, kDigest}),
            "00000031"
            "03"
            "0000000000000003"
            "0000000000000007" +
                hex(kDigest));
  EXPECT_EQ(hex_of(Pull{}), "0000000104");
  EXPECT_EQ(hex_of(Ping{42}), "0000000905000000000000002a");
  EXPECT_EQ(hex_of(Pong{42}), "0000000906000000000000002a");
  EXPECT_EQ(hex_of(Bye{}), "0000000107");
  EXPECT_EQ(hex_of(Refused{"no"}), "00000003086e6f");
}

// The ring of keyd/PROTOCOL.md: one key that seals, one second old.
TEST(Frames, ARingHasTheDocumentedBytes) {
  const BootClock::time_point now{1000h};
  auto key = std::make_shared<keyring::TicketKey>();
  for (std::size_t i = 0; i < key->name.size(); ++i) {
    key->name[i] = static_cast<std::byte>(0xe0 + i);
  }
  key->epoch = 1;
  std::ranges::fill(key->aes.bytes(), std::byte{0x22});
  std::ranges::fill(key->hmac.bytes(), std::byte{0x33});
  key->created = now - 1s;
  keyring::NameKey name_key;
  std::ranges::fill(name_key.bytes(), std::byte{0x11});
  keyring::KeyRing::Parts parts;
  parts.version = {3, 7};
  parts.entries = {{key, keyring::KeyState::kCurrent}};
  parts.policy = {3h, 9h};
  parts.tag = {std::byte{0xa1}, std::byte{0xb2}, std::byte{0xc3}, std::byte{0xd4}};
  parts.name_key = std::make_shared<const keyring::NameKey>(std::move(name_key));
  parts.last_epoch = 1;
  const auto made = keyring::KeyRing::make(std::move(parts));
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(hex_of(Ring{keyring::encode_ring(*made, now)}),
            "000000d0"
            "02"
            "01"
            "0000000000000003"
            "0000000000000007"
            "a1b2c3d4" +
                std::string(64, '1') +
                "00000001"
                "0000000000a4cb80"
                "0000000001ee6280"
                "0000000000000000"
                "01"
                "e0e1e2e3e4e5e6e7e8e9eaebecedeeef"
                "00000001"
                "01"
                "00000000000003e8" +
                std::string(64, '2') + std::string(64, '3') + hex(keyring::digest_of(*made)));
  EXPECT_EQ(hex(keyring::digest_of(*made)),
            "0540c411abfd30ed6cf05b525aec461113eed5520adbe0189f4c81fc32150eea");
}

TEST(Frames, ComeBackAsTheyWere) {
  for (const Frame& frame : every_frame()) {
    FrameReader reader;
    feed(reader, encode(frame).bytes());
    const auto read = reader.next();
    ASSERT_TRUE(read && read->has_value()) << frame.index();
    EXPECT_EQ((*read)->index(), frame.index());
    EXPECT_EQ(hex_of(**read), hex_of(frame));
  }
}

TEST(Frames, FieldsAreReadInTheirPlaces) {
  FrameReader reader;
  feed(reader, encode(Hello{0x1234, kInstance, 0x5678, "n"}).bytes());
  feed(reader, encode(Applied{{0x0102030405060708, 0x1112131415161718}, kDigest}).bytes());
  const auto first = reader.next();
  const auto* hello = std::get_if<Hello>(&**first);
  ASSERT_NE(hello, nullptr);
  EXPECT_EQ(hello->protocol, 0x1234);  // any: keyd answers which it speaks
  EXPECT_EQ(hello->instance, kInstance);
  EXPECT_EQ(hello->workers, 0x5678);
  EXPECT_EQ(hello->node, "n");
  const auto second = reader.next();
  const auto* applied = std::get_if<Applied>(&**second);
  ASSERT_NE(applied, nullptr);
  EXPECT_EQ(applied->version.term, 0x0102030405060708U);
  EXPECT_EQ(applied->version.version, 0x1112131415161718U);
  EXPECT_EQ(applied->digest, kDigest);
}

TEST(Frames, TheLargestFit) {
  const std::string node(kNodeBytesMax, 'n');
  const std::string bytes(keyring::kRingBytesMax, 'r');
  for (const Frame& frame : list(Hello{1, kInstance, 1, node}, ring(bytes))) {
    const SecretBuffer encoded = encode(frame);
    EXPECT_LE(encoded.size(), 4 + kFrameBytesMax);
    FrameReader reader;
    feed(reader, encoded.bytes());
    const auto read = reader.next();
    ASSERT_TRUE(read && read->has_value());
    EXPECT_EQ(hex_of(**read), hex_of(frame));
  }
}

TEST(Frames, ReasonsAreEscapedAndCut) {
  EXPECT_EQ(read_back(Refused{"tab\t and \xc3\xa4 \x1b[31m"}), "tab\\x09 and \\xc3\\xa4 \\x1b[31m");
  EXPECT_EQ(read_back(Refused{std::string(300, 'x')}), std::string(255, 'x'));
  // No escape is cut in the middle.
  EXPECT_EQ(read_back(Refused{std::string(253, 'x') + "\n"}), std::string(253, 'x'));
  EXPECT_EQ(read_back(Refused{""}), "");
}

TEST(Frames, NodeNamesAreVisibleAscii) {
  for (const char* good : {"a", "proxy-1.example", "{odd}~!"}) {
    EXPECT_TRUE(is_node_name(good)) << good;
  }
  EXPECT_TRUE(is_node_name(std::string(255, 'x')));
  for (const std::string& bad :
       {std::string(), std::string(256, 'x'), std::string("a b"), std::string("a\tb"),
        std::string("a\0b", 3), std::string("\xff"), std::string("\x7f")}) {
    EXPECT_FALSE(is_node_name(bad)) << bad;
  }
}

}  // namespace
}  // namespace usher::push
