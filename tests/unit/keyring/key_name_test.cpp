#include "proxy/keyring/key_name.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "proxy/base/bytes.h"

namespace usher::keyring {
namespace {

constexpr FleetTag kTag{std::byte{0xde}, std::byte{0xad}, std::byte{0xbe}, std::byte{0xef}};

NameKey name_key_of(unsigned first) {
  NameKey key;
  for (std::byte& byte : key.bytes()) {
    byte = static_cast<std::byte>(first++);
  }
  return key;
}

NameSalt salt_of(unsigned value) {
  NameSalt salt;
  salt.fill(static_cast<std::byte>(value));
  return salt;
}

// Against another implementation (`openssl enc -aes-256-ecb`): the name is a wire format that a
// fleet shares, so it must not change with the code.
TEST(KeyName, is_the_documented_mask) {
  NameSalt salt{};
  for (unsigned i = 0; i < salt.size(); ++i) {
    salt[i] = static_cast<std::byte>(0xa0 + i);
  }
  EXPECT_EQ(hex(mask_name({kTag, 0x01020304}, salt, name_key_of(0))),
            "04c3bfdcfdd988dfa0a1a2a3a4a5a6a7");
}

TEST(KeyName, unmasks_what_it_masked) {
  const NameKey key = name_key_of(7);
  for (const std::uint32_t epoch : {0U, 1U, 0xffU, 0x100U, 0x01020304U, 0xffffffffU}) {
    const NameParts parts{kTag, epoch};
    EXPECT_EQ(unmask_name(mask_name(parts, salt_of(epoch & 0xff), key), key), parts) << epoch;
  }
}

TEST(KeyName, another_name_key_tells_nothing) {
  const KeyName name = mask_name({kTag, 5}, salt_of(1), name_key_of(1));
  const NameParts read = unmask_name(name, name_key_of(2));
  EXPECT_NE(read.tag, kTag);
  EXPECT_NE(read.epoch, 5U);
}

// Strangers see neither which names belong together nor their order.
TEST(KeyName, names_of_one_fleet_share_no_beginning) {
  const NameKey key = name_key_of(3);
  std::set<std::string> beginnings;
  for (unsigned i = 0; i < 64; ++i) {
    const KeyName name = mask_name({kTag, 9}, salt_of(i), key);
    beginnings.insert(hex(ByteView(name).first(4)));
    EXPECT_FALSE(std::equal(kTag.begin(), kTag.end(), name.begin()));
  }
  EXPECT_EQ(beginnings.size(), 64U);
}

TEST(KeyName, any_changed_byte_changes_tag_or_epoch) {
  const NameKey key = name_key_of(4);
  const NameParts parts{kTag, 12};
  const KeyName name = mask_name(parts, salt_of(1), key);
  for (std::size_t i = 0; i < name.size(); ++i) {
    KeyName other = name;
    other[i] ^= std::byte{1};
    EXPECT_NE(unmask_name(other, key), parts) << i;
  }
}

}  // namespace
}  // namespace usher::keyring
