#include "proxy/keyring/ring_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "proxy/base/bytes.h"
#include "proxy/keyring/ring_codec.h"
#include "tests/unit/keyring/support/test_keys.h"

namespace usher::keyring {
namespace {

using nlohmann::json;
using namespace test;

KeyRing::Parts parts_of(std::vector<KeyRing::Entry> entries) {
  KeyRing::Parts parts;
  parts.version = {3, 7};
  parts.entries = std::move(entries);
  parts.policy = kPolicy;
  return parts;
}

TEST(RingJson, EmptyRing) {
  EXPECT_EQ(ring_json(KeyRing(), kStart),
            json::parse(R"({"fleet":null,"term":0,"version":0,"digest":null,
                            "seal_max_age_seconds":null,"open_max_age_seconds":null,
                            "lineage_not_before":null,"keys":[]})"));
}

TEST(RingJson, KeysWithStatesAgesAndWhatTheyDo) {
  auto ring = KeyRing::make(parts_of({{key_with(3, 0xc3, kStart - 1500ms), KeyState::kNext},
                                      {key_with(2, 0xc2, kStart - 1h), KeyState::kCurrent},
                                      {key_with(1, 0xc1, kStart - 10h), KeyState::kPrevious}}));
  ASSERT_TRUE(ring);
  const json shown = ring_json(*ring, kStart);
  EXPECT_EQ(shown["term"], 3);
  EXPECT_EQ(shown["version"], 7);
  EXPECT_EQ(shown["seal_max_age_seconds"], 10800.0);
  EXPECT_EQ(shown["open_max_age_seconds"], 32400.0);
  EXPECT_EQ(shown["keys"][0],
            json::parse(R"({"name":"c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3","epoch":3,"state":"next",
                            "age_seconds":1.5,"seals":false,"opens":true})"));
  EXPECT_EQ(shown["keys"][1],
            json::parse(R"({"name":"c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2","epoch":2,"state":"current",
                            "age_seconds":3600.0,"seals":true,"opens":true})"));
  EXPECT_EQ(shown["keys"][2],
            json::parse(R"({"name":"c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1","epoch":1,"state":"previous",
                            "age_seconds":36000.0,"seals":false,"opens":false})"));
}

TEST(RingJson, CurrentKeyBeyondItsLimitSealsNoMore) {
  auto ring = KeyRing::make(parts_of({{key_with(1, 1, kStart - 4h), KeyState::kCurrent}}));
  ASSERT_TRUE(ring);
  const json key = ring_json(*ring, kStart)["keys"][0];
  EXPECT_EQ(key["state"], "current");
  EXPECT_EQ(key["seals"], false);
  EXPECT_EQ(key["opens"], true);
}

TEST(RingJson, FleetDigestAndRevocation) {
  KeyRing::Parts parts = parts_of({{key_with(1, 1), KeyState::kCurrent}});
  parts.tag = {std::byte{0xde}, std::byte{0xad}, std::byte{0xbe}, std::byte{0xef}};
  auto name_key = std::make_shared<NameKey>();
  std::ranges::fill(name_key->bytes(), std::byte{0x77});
  parts.name_key = name_key;
  parts.lineage_not_before = UnixSeconds(std::chrono::seconds(1'700'000'000));
  auto ring = KeyRing::make(std::move(parts));
  ASSERT_TRUE(ring);
  const json shown = ring_json(*ring, kStart);
  EXPECT_EQ(shown["fleet"], "deadbeef");
  EXPECT_EQ(shown["digest"], hex(digest_of(*ring)));
  EXPECT_EQ(shown["lineage_not_before"], 1'700'000'000);
}

// Test keys are runs of one byte: such a run of 32 is key bytes, one of 16 may be a name.
TEST(RingJson, NeverKeyBytes) {
  auto ring = KeyRing::make(parts_of({{key_with(1, 0x11), KeyState::kCurrent}}));
  ASSERT_TRUE(ring);
  const std::string text = ring_json(*ring, kStart).dump();
  EXPECT_NE(text.find(std::string(32, '1')), std::string::npos);  // the name
  EXPECT_EQ(text.find(std::string(33, '1')), std::string::npos);
  EXPECT_EQ(text.find("75757575"), std::string::npos);  // HMAC: 0x11 + 100
}

}  // namespace
}  // namespace usher::keyring
