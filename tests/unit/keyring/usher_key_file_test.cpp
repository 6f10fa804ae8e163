#include <gtest/gtest.h>
#include <openssl/evp.h>

#include "proxy/keyring/ring_codec.h"
#include "tests/unit/keyring/support/key_files.h"

// Our own export: whatever a ring is, and no damage unseen.
namespace usher::keyring::test {
namespace {

constexpr auto kFormat = KeyFileFormat::kUsher;

KeyRing::Parts example() {
  auto name_key = std::make_shared<NameKey>();
  std::ranges::fill(name_key->bytes(), std::byte{0x4e});
  return {{1, 7},
          {{key_with(4, 4, kStart), KeyState::kNext},
           {key_with(3, 3, kStart - 1h), KeyState::kCurrent},
           {key_with(0, 9, kStart - 3h), KeyState::kPrevious}},
          kPolicy,
          {std::byte{0xf1}, std::byte{0xee}, std::byte{0x70}, std::byte{0x01}},
          name_key,
          5,
          UnixSeconds(1'700'000'000s)};
}

std::string exported(KeyRing::Parts parts = example(), BootClock::time_point now = kStart) {
  const auto ring = KeyRing::make(std::move(parts));
  CHECK(ring);
  const auto file = format_keys(*ring, kFormat, now);
  CHECK(file);
  return file_text(*file);
}

Result<KeyRing> parsed(const std::string& text, BootClock::time_point written = kStart,
                       AgePolicy policy = {}) {
  return parse_key_files(kFormat, files_of(file_of(text, "ring.keys", written)), 7, policy);
}

std::string checksum_line(const std::string& above) {
  std::array<std::byte, 32> digest{};
  CHECK(EVP_Q_digest(nullptr, "SHA256", nullptr, above.data(), above.size(),
                     writable_uchars(digest), nullptr) == 1);
  return "sha256 " + hex(digest) + "\n";
}

// As someone might write it who knows the format.
std::string signed_again(std::string text) {
  text.resize(text.rfind("sha256"));
  return text + checksum_line(text);
}

TEST(UsherKeys, are_the_documented_text) {
  const std::string key4 = base64(std::string(32, '\x04') + std::string(32, '\x68'));
  const std::string key3 = base64(std::string(32, '\x03') + std::string(32, '\x67'));
  const std::string key9 = base64(std::string(32, '\x09') + std::string(32, '\x6d'));
  const std::string text =
      "usher ticket keys 1\n"
      "fleet f1ee7001\n"
      "name_key Tk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk4=\n"
      "last_epoch 5\n"
      "seal_max_age_ms 10800000\n"
      "open_max_age_ms 32400000\n"
      "lineage_not_before 1700000000\n"
      "key 04040404040404040404040404040404 4 next 1000 " +
      key4 +
      "\n"
      "key 03030303030303030303030303030303 3 current 3601000 " +
      key3 +
      "\n"
      "key 09090909090909090909090909090909 0 previous 10801000 " +
      key9 + "\n";
  EXPECT_EQ(exported(example(), kStart + 1s), text + checksum_line(text));
}

TEST(UsherKeys, are_read_as_they_were_written) {
  const auto ring = KeyRing::make(example());
  ASSERT_TRUE(ring);
  const BootClock::time_point there{5h};  // another machine, where the file changed at 5 h
  const auto read = parsed(exported(example(), kStart + 250ms), there);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(digest_of(*read), digest_of(*ring)) << "all but ages";
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(there - read->entries()[i].key->created,
              kStart + 250ms - ring->entries()[i].key->created);
  }
}

// An import does not make keys young again.
TEST(UsherKeys, age_between_export_and_import) {
  const auto ring = KeyRing::make(example());
  ASSERT_TRUE(ring);
  const UnixSeconds exported_at{std::chrono::seconds(1'700'003'600)};
  auto file = format_keys(*ring, kFormat, kStart, exported_at);
  ASSERT_TRUE(file);
  const std::string text(file_text(*file));
  EXPECT_NE(text.find("\nexported 1700003600\nsha256 "), std::string::npos) << text;
  const struct {
    std::optional<UnixSeconds> wall;
    std::chrono::nanoseconds older;
  } kCases[] = {{exported_at + 48h, 48h},
                {exported_at, 0h},
                {exported_at - 1h, 0h},  // that machine's clock was ahead
                {std::nullopt, 0h}};
  const auto imported = [&](std::optional<UnixSeconds> wall) {
    auto files = files_of(file_of(text, "ring.keys", kStart));
    files.front().wall = wall;
    return parse_key_files(kFormat, files, 7, {});
  };
  for (const auto& [wall, older] : kCases) {
    const auto read = imported(wall);
    ASSERT_TRUE(read) << read.error().message;
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(read->entries()[i].key->created, ring->entries()[i].key->created - older);
    }
  }
  const auto ancient = imported(UnixSeconds{std::chrono::seconds(4'000'000'000)});
  ASSERT_TRUE(ancient) << ancient.error().message;
  EXPECT_EQ(ancient->entries()[0].key->created, kStart - kAgeMax);
}

TEST(UsherKeys, none_and_nothing) {
  KeyRing::Parts parts = example();
  parts.entries.clear();
  parts.policy = {};
  parts.lineage_not_before = {};
  const std::string text = exported(parts);
  EXPECT_NE(
      text.find("seal_max_age_ms none\nopen_max_age_ms none\nlineage_not_before none\nsha256"),
      std::string::npos);
  const auto read = parsed(text);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->policy(), AgePolicy{});
  EXPECT_EQ(read->highest_epoch(), 5U);
}

TEST(UsherKeys, largest_ring_fits) {
  KeyRing::Parts parts = example();
  parts.entries.clear();
  for (unsigned i = 1; i <= kMaxKeys; ++i) {
    parts.entries.push_back({key_with(i, i, kStart - 87600h), KeyState::kPrevious});
  }
  const std::string text = exported(parts);
  EXPECT_LT(text.size(), kKeyFileBytesMax);
  const auto read = parsed(text);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->entries().size(), kMaxKeys);
  const std::size_t last = text.rfind("key ");
  const std::string another = "key " + std::string(32, 'f') + " 1 previous 0 " +
                              base64(std::string(32, '\xf0') + std::string(32, '\xf1')) + "\n";
  const auto more = parsed(signed_again(std::string(text).insert(last, another)));
  ASSERT_FALSE(more);
  EXPECT_NE(more.error().message.find("ring.keys:72: expected at most 64 keys"), std::string::npos)
      << more.error().message;
}

TEST(UsherKeys, limits_of_the_caller_come_first) {
  const auto own = parsed(exported(), kStart, {});
  ASSERT_TRUE(own);
  EXPECT_EQ(own->policy(), kPolicy);
  const auto given = parsed(exported(), kStart, {1h, 2h});
  ASSERT_TRUE(given);
  EXPECT_EQ(given->policy(), (AgePolicy{1h, 2h}));
}

TEST(UsherKeys, refuses_any_change_and_any_cut) {
  const std::string good = exported();
  ASSERT_TRUE(parsed(good));
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    EXPECT_FALSE(parsed(bad)) << i;
    EXPECT_FALSE(parsed(good.substr(0, i))) << i;
  }
  EXPECT_FALSE(parsed(good + "\n"));
  EXPECT_FALSE(parsed(good + good));
  EXPECT_FALSE(parsed(" " + good));
}

TEST(UsherKeys, refuses_with_place_and_reason) {
  const struct {
    const char* what;
    const char* from;
    const char* to;
    const char* reason;
  } cases[] = {
      {"version", "keys 1\n", "keys 2\n", "ring.keys:1: expected \"usher ticket keys 1\""},
      {"fleet missing", "fleet f1ee7001\n", "", "ring.keys:2: expected \"fleet\""},
      {"fleet short", "f1ee7001", "f1ee70", "ring.keys:2: expected \"fleet\""},
      {"fleet upper case", "f1ee7001", "F1EE7001", "ring.keys:2"},
      {"fleet no hex", "f1ee7001", "g1ee7001", "ring.keys:2"},
      {"a word more", "f1ee7001", "f1ee7001 x", "ring.keys:2"},
      {"two spaces", "fleet ", "fleet  ", "ring.keys:2"},
      {"space at the end", "f1ee7001", "f1ee7001 ", "ring.keys:2"},
      {"name key short", "name_key Tk5O", "name_key ", "ring.keys:3: expected \"name_key\""},
      {"name key no base64", "name_key Tk5O", "name_key Tk5_", "ring.keys:3"},
      {"last epoch", "last_epoch 5", "last_epoch 4294967296", "ring.keys:4"},
      {"last epoch negative", "last_epoch 5", "last_epoch -1", "ring.keys:4"},
      {"last epoch below a key's", "last_epoch 5", "last_epoch 3",
       "ring.keys:8: expected an epoch up to last_epoch"},
      {"limit of zero", "seal_max_age_ms 10800000", "seal_max_age_ms 0", "ring.keys:5"},
      {"limit with unit", "seal_max_age_ms 10800000", "seal_max_age_ms 3h", "ring.keys:5"},
      {"limit huge", "open_max_age_ms 32400000", "open_max_age_ms 99999999999999999999",
       "ring.keys:6"},
      {"limit above ten years", "open_max_age_ms 32400000", "open_max_age_ms 999999999999",
       "ring.keys:6"},
      {"limit empty", "open_max_age_ms 32400000", "open_max_age_ms ", "ring.keys:6"},
      {"lineage", "lineage_not_before 1700000000", "lineage_not_before soon", "ring.keys:7"},
      {"order", "last_epoch 5\nseal_max_age_ms 10800000", "seal_max_age_ms 10800000\nlast_epoch 5",
       "ring.keys:4: expected \"last_epoch\""},
      {"exported not last", "\nkey 04", "\nexported 1\nkey 04",
       "ring.keys:9: expected \"sha256 HEX\" at the end"},
      {"exported without time", "\nsha256", "\nexported soon\nsha256",
       "ring.keys:11: expected \"exported\" and Unix seconds"},
      {"other line", "key 04", "kay 04", "ring.keys:8: expected \"key NAME"},
      {"name short", "key 0404", "key 04", "ring.keys:8: expected a key name"},
      {"epoch", " 4 next", " four next", "ring.keys:8: expected an epoch"},
      {"state", " 4 next", " 4 Next", "ring.keys:8: expected next, current or previous"},
      {"age", " next 0 ", " next -1 ", "ring.keys:8: expected an age"},
      {"age above ten years", " next 0 ", " next 999999999999 ", "ring.keys:8: expected an age"},
      {"key bytes", "BAQE", "BAQ", "ring.keys:8: expected 64 bytes in base64"},
      {"key bytes and more", "\nkey 03", " x\nkey 03", "ring.keys:8: expected 64 bytes"},
      {"two next", " current ", " next ", "ring.keys: more than one next key"},
      {"empty line", "\nkey 03", "\n\nkey 03", "ring.keys:9: expected \"key NAME"},
      {"a key twice", "key 03030303030303030303030303030303",
       "key 04040404040404040404040404040404",
       "ring.keys:9: the same key, or the same key name, as ring.keys:8"},
  };
  for (const auto& test : cases) {
    std::string text = exported();
    const std::size_t at = text.find(test.from);
    ASSERT_NE(at, std::string::npos) << test.what;
    text.replace(at, std::string(test.from).size(), test.to);
    const auto ring = parsed(signed_again(text));
    ASSERT_FALSE(ring) << test.what;
    EXPECT_NE(ring.error().message.find(test.reason), std::string::npos)
        << test.what << ": " << ring.error().message;
  }
}

TEST(UsherKeys, refuses_weak_keys) {
  const std::string weak = std::string(32, '\0') + std::string(32, 'h');
  std::string text = exported();
  const std::size_t at = text.find("next 0 ") + 7;
  text.replace(at, 88, base64(weak));
  const auto zero = parsed(signed_again(text));
  ASSERT_FALSE(zero);
  EXPECT_NE(zero.error().message.find("ring.keys:8: a key of all zero"), std::string::npos);
  text = exported();
  text.replace(text.find("name_key ") + 9, 44, base64(std::string(32, '\0')));
  const auto name_key = parsed(signed_again(text));
  ASSERT_FALSE(name_key);
  EXPECT_NE(name_key.error().message.find("name key of all zero"), std::string::npos);
}

TEST(UsherKeys, say_what_a_cut_file_lacks) {
  const std::string good = exported();
  const auto cut = parsed(good.substr(0, good.rfind("sha256")));
  ASSERT_FALSE(cut);
  EXPECT_NE(cut.error().message.find("ring.keys:10: no checksum in the last line"),
            std::string::npos)
      << cut.error().message;
  const auto half = parsed(good.substr(0, good.size() - 10));
  ASSERT_FALSE(half);
  EXPECT_NE(half.error().message.find("ring.keys:11: wrong checksum"), std::string::npos)
      << half.error().message;
  const auto only = parsed("usher ticket keys 1\n");
  ASSERT_FALSE(only);
  EXPECT_NE(only.error().message.find("ring.keys:1: no checksum"), std::string::npos);
  const auto empty_body = parsed(signed_again("usher ticket keys 1\nsha256 x\n"));
  ASSERT_FALSE(empty_body);
  EXPECT_NE(empty_body.error().message.find("ring.keys:2: expected \"fleet\""), std::string::npos)
      << empty_body.error().message;
}

TEST(UsherKeys, small_keys_cannot_be_exported) {
  KeyRing::Parts parts = example();
  auto small = std::make_shared<TicketKey>();
  small->size = KeySize::kAes128;
  std::ranges::fill(small->aes.bytes().first(16), std::byte{7});
  std::ranges::fill(small->hmac.bytes().first(16), std::byte{8});
  parts.entries.push_back({small, KeyState::kPrevious});
  const auto ring = KeyRing::make(parts);
  ASSERT_TRUE(ring);
  const auto file = format_keys(*ring, kFormat, kStart);
  ASSERT_FALSE(file);
  EXPECT_NE(file.error().message.find("48 bytes"), std::string::npos);
}

}  // namespace
}  // namespace usher::keyring::test
