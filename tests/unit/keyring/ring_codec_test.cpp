#include "proxy/keyring/ring_codec.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <functional>
#include <string>

#include "proxy/base/bytes.h"
#include "tests/unit/keyring/support/test_keys.h"

namespace usher::keyring::test {
namespace {

using Bytes = std::vector<std::byte>;

// Where the fields stand (ring_codec.h).
constexpr std::size_t kTermAt = 1;
constexpr std::size_t kNameKeyAt = 21;
constexpr std::size_t kLastEpochAt = 53;
constexpr std::size_t kSealAt = 57;
constexpr std::size_t kOpenAt = 65;
constexpr std::size_t kLineageAt = 73;
constexpr std::size_t kCountAt = 81;
constexpr std::size_t kHead = 82;
constexpr std::size_t kKey = 93;
constexpr std::size_t kDigest = 32;
constexpr std::size_t kEpochIn = 16;  // a key
constexpr std::size_t kStateIn = 20;
constexpr std::size_t kAgeIn = 21;
constexpr std::size_t kAesIn = 29;
constexpr std::size_t kHmacIn = 61;

std::shared_ptr<const NameKey> name_key() {
  auto key = std::make_shared<NameKey>();
  std::ranges::fill(key->bytes(), std::byte{0x4e});
  return key;
}

KeyRing::Parts example() {
  return {{3, 7},
          {{key_with(4, 4, kStart), KeyState::kNext},
           {key_with(3, 3, kStart - 1h), KeyState::kCurrent},
           {key_with(1, 1, kStart - 3h), KeyState::kPrevious}},
          kPolicy,
          {std::byte{0xf1}, std::byte{0xee}, std::byte{0x70}, std::byte{0x01}},
          name_key(),
          5,
          UnixSeconds(1'700'000'000s)};
}

KeyRing ring_from(KeyRing::Parts parts) {
  auto ring = KeyRing::make(std::move(parts));
  CHECK(ring);
  return *std::move(ring);
}

Bytes encoded(const KeyRing& ring, BootClock::time_point now = kStart) {
  const SecretBuffer bytes = encode_ring(ring, now);
  return {bytes.bytes().begin(), bytes.bytes().end()};
}

// Beside the encoder: SHA-256 of all but the ages, as the format says.
Bytes digest_by_hand(const Bytes& ring) {
  std::string input(text_of(ByteView(ring).first(kHead)));
  for (std::size_t at = kHead; at + kKey <= ring.size() - kDigest; at += kKey) {
    input += text_of(ByteView(ring).subspan(at, kAgeIn));
    input += text_of(ByteView(ring).subspan(at + kAesIn, kKey - kAesIn));
  }
  Bytes digest(kDigest);
  CHECK(EVP_Q_digest(nullptr, "SHA256", nullptr, input.data(), input.size(),
                     writable_uchars(digest), nullptr) == 1);
  return digest;
}

// What a sender with other ideas might send: changed, with a right digest.
Bytes signed_again(Bytes ring) {
  std::ranges::copy(digest_by_hand(ring), ring.end() - kDigest);
  return ring;
}

void put(Bytes& into, std::size_t at, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    into.at(at + i) = static_cast<std::byte>(value >> (8 * (size - 1 - i)));
  }
}

void expect_refused(const Bytes& bytes, std::string_view reason, std::string_view what) {
  const auto ring = decode_ring(bytes, kStart);
  ASSERT_FALSE(ring) << what;
  EXPECT_NE(ring.error().message.find(reason), std::string::npos)
      << what << ": " << ring.error().message;
}

TEST(RingCodec, is_the_documented_format) {
  KeyRing::Parts parts = example();
  parts.entries.resize(2);
  const Bytes bytes = encoded(ring_from(parts), kStart + 1s);
  ASSERT_EQ(bytes.size(), kHead + 2 * kKey + kDigest);
  const auto field = [&](std::size_t at, std::size_t size) {
    return hex(ByteView(bytes).subspan(at, size));
  };
  const auto repeated = [](const char* byte, int count) {
    std::string text;
    for (int i = 0; i < count; ++i) {
      text += byte;
    }
    return text;
  };
  EXPECT_EQ(field(0, 1), "01");
  EXPECT_EQ(field(kTermAt, 8), "0000000000000003");
  EXPECT_EQ(field(kTermAt + 8, 8), "0000000000000007");
  EXPECT_EQ(field(17, 4), "f1ee7001");
  EXPECT_EQ(field(kNameKeyAt, 32), repeated("4e", 32));
  EXPECT_EQ(field(kLastEpochAt, 4), "00000005");
  EXPECT_EQ(field(kSealAt, 8), "0000000000a4cb80");     // 3 h
  EXPECT_EQ(field(kOpenAt, 8), "0000000001ee6280");     // 9 h
  EXPECT_EQ(field(kLineageAt, 8), "000000006553f100");  // 1,700,000,000
  EXPECT_EQ(field(kCountAt, 1), "02");
  EXPECT_EQ(field(kHead, 16), repeated("04", 16));
  EXPECT_EQ(field(kHead + kEpochIn, 4), "00000004");
  EXPECT_EQ(field(kHead + kStateIn, 1), "00");
  EXPECT_EQ(field(kHead + kAgeIn, 8), "00000000000003e8");  // 1 s
  EXPECT_EQ(field(kHead + kAesIn, 32), repeated("04", 32));
  EXPECT_EQ(field(kHead + kHmacIn, 32), repeated("68", 32));
  EXPECT_EQ(field(kHead + kKey + kStateIn, 1), "01");
  EXPECT_EQ(field(kHead + kKey + kAgeIn, 8), "000000000036f268");  // 1 h and 1 s
  EXPECT_EQ(Bytes(bytes.end() - kDigest, bytes.end()), digest_by_hand(bytes));
}

TEST(RingCodec, is_read_as_it_was_written) {
  const KeyRing sent = ring_from(example());
  const BootClock::time_point there{5h};  // the other machine booted later
  const auto read = decode_ring(encoded(sent, kStart + 250ms), there);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->version(), sent.version());
  EXPECT_EQ(read->policy(), sent.policy());
  EXPECT_EQ(read->tag(), sent.tag());
  EXPECT_TRUE(std::ranges::equal(read->name_key()->bytes(), sent.name_key()->bytes()));
  EXPECT_EQ(read->highest_epoch(), 5U);
  EXPECT_EQ(read->lineage_not_before(), sent.lineage_not_before());
  ASSERT_EQ(read->entries().size(), sent.entries().size());
  for (std::size_t i = 0; i < sent.entries().size(); ++i) {
    const KeyRing::Entry& a = sent.entries()[i];
    const KeyRing::Entry& b = read->entries()[i];
    EXPECT_EQ(a.state, b.state);
    EXPECT_EQ(a.key->name, b.key->name);
    EXPECT_EQ(a.key->epoch, b.key->epoch);
    EXPECT_TRUE(std::ranges::equal(a.key->aes.bytes(), b.key->aes.bytes()));
    EXPECT_TRUE(std::ranges::equal(a.key->hmac.bytes(), b.key->hmac.bytes()));
    EXPECT_EQ(kStart + 250ms - a.key->created, there - b.key->created);
  }
  EXPECT_EQ(digest_of(*read), digest_of(sent));
}

TEST(RingCodec, smallest_and_largest) {
  KeyRing::Parts none = example();
  none.entries.clear();
  const auto empty = decode_ring(encoded(ring_from(none)), kStart);
  ASSERT_TRUE(empty) << empty.error().message;
  EXPECT_TRUE(empty->entries().empty());
  EXPECT_EQ(empty->highest_epoch(), 5U);

  KeyRing::Parts most = example();
  most.entries.clear();
  for (unsigned i = 1; i <= kMaxKeys; ++i) {
    most.entries.push_back({key_with(i, i), KeyState::kPrevious});
  }
  const Bytes bytes = encoded(ring_from(most));
  EXPECT_EQ(bytes.size(), kRingBytesMax);
  const auto full = decode_ring(bytes, kStart);
  ASSERT_TRUE(full) << full.error().message;
  EXPECT_EQ(full->entries().size(), kMaxKeys);
}

TEST(RingCodec, no_limits_stay_none_and_short_ones_stay_limits) {
  for (const AgePolicy& policy :
       {AgePolicy{}, AgePolicy{1ms, std::nullopt}, AgePolicy{std::nullopt, 1ms}}) {
    KeyRing::Parts parts = example();
    parts.policy = policy;
    const auto read = decode_ring(encoded(ring_from(parts)), kStart);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->policy(), policy);
  }
  KeyRing::Parts parts = example();
  parts.policy = {0ms, 0ms};  // never seals: must not come out as "for ever"
  const auto read = decode_ring(encoded(ring_from(parts)), kStart);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->policy(), (AgePolicy{1ms, 1ms}));
}

// Keys of other programs that were imported have epoch 0 and an order of their own.
TEST(RingCodec, keys_without_epoch_keep_their_order) {
  KeyRing::Parts parts = example();
  parts.entries.push_back({key_with(0, 9), KeyState::kPrevious});
  parts.entries.push_back({key_with(0, 8), KeyState::kPrevious});
  const auto read = decode_ring(encoded(ring_from(parts)), kStart);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->entries()[3].key->name, key_with(0, 9)->name);
  EXPECT_EQ(read->entries()[4].key->name, key_with(0, 8)->name);
}

TEST(RingDigest, is_one_for_a_ring_whenever_it_is_sent) {
  const KeyRing ring = ring_from(example());
  const Bytes now = encoded(ring, kStart);
  const Bytes later = encoded(ring, kStart + 90min);
  EXPECT_NE(now, later);
  EXPECT_TRUE(std::equal(now.end() - kDigest, now.end(), later.end() - kDigest));
  EXPECT_TRUE(std::ranges::equal(digest_of(ring), ByteView(now).last(kDigest)));
}

TEST(RingDigest, tells_any_two_rings_apart) {
  using Change = std::function<void(KeyRing::Parts&)>;
  const RingDigest base = digest_of(ring_from(example()));
  const Change changes[] = {
      [](auto& p) { ++p.version.term; },
      [](auto& p) { ++p.version.version; },
      [](auto& p) { p.tag[3] ^= std::byte{1}; },
      [](auto& p) {
        auto key = std::make_shared<NameKey>();
        std::ranges::fill(key->bytes(), std::byte{0x4f});
        p.name_key = key;
      },
      [](auto& p) { ++p.last_epoch; },
      [](auto& p) { p.policy.seal_max_age = std::nullopt; },
      [](auto& p) { *p.policy.open_max_age += 1ms; },
      [](auto& p) { p.lineage_not_before += 1s; },
      [](auto& p) { p.entries.pop_back(); },
      [](auto& p) { p.entries[0].state = KeyState::kPrevious; },
      [](auto& p) { p.entries[2].key = key_with(1, 2); },
      [](auto& p) { p.entries[2].key = key_with(2, 1); },
  };
  for (std::size_t i = 0; i < std::size(changes); ++i) {
    KeyRing::Parts parts = example();
    changes[i](parts);
    EXPECT_NE(digest_of(ring_from(parts)), base) << i;
  }
}

TEST(RingCodec, ages_begin_before_the_boot_of_this_machine) {
  const KeyRing ring = ring_from(example());
  const BootClock::time_point just_booted{1min};
  const auto read = decode_ring(encoded(ring, kStart + 2h + 30min), just_booted);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->sealing_key(just_booted), nullptr) << "current is 3.5 h old, 3 h is the limit";
  EXPECT_FALSE(read->opening_key(key_with(1, 1)->name, just_booted + 4h));
  EXPECT_TRUE(read->opening_key(key_with(3, 3)->name, just_booted + 4h));
}

TEST(RingCodec, absurd_ages_count_as_ten_years) {
  Bytes bytes = encoded(ring_from(example()));
  for (const std::uint64_t age : {std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
    put(bytes, kHead + kAgeIn, age, 8);
    const auto read = decode_ring(bytes, kStart);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->entries()[0].key->created, kStart - std::chrono::years(10));
  }
  const KeyRing ring = ring_from(example());
  const auto early = decode_ring(encoded(ring, kStart - 100h), kStart);  // created after "now"
  ASSERT_TRUE(early);
  EXPECT_EQ(early->entries()[0].key->created, kStart);
}

TEST(RingCodec, refuses_any_other_size) {
  const Bytes good = encoded(ring_from(example()));
  for (std::size_t size = 0; size < good.size(); ++size) {
    const auto ring = decode_ring(ByteView(good).first(size), kStart);
    ASSERT_FALSE(ring) << size;
    EXPECT_NE(ring.error().message.find("bytes"), std::string::npos) << ring.error().message;
  }
  Bytes longer = good;
  longer.push_back(std::byte{0});
  expect_refused(longer, "exactly 3 keys", "one byte more");
}

TEST(RingCodec, refuses_any_flipped_bit_but_in_ages) {
  const Bytes good = encoded(ring_from(example()));
  for (std::size_t i = 0; i < good.size(); ++i) {
    const bool in_key = i >= kHead && i < good.size() - kDigest;
    const std::size_t at = in_key ? (i - kHead) % kKey : 0;
    Bytes bad = good;
    bad[i] ^= std::byte{0x10};
    EXPECT_EQ(decode_ring(bad, kStart).has_value(), at >= kAgeIn && at < kAesIn) << i;
  }
}

TEST(RingCodec, refuses_with_the_reason) {
  using Change = std::function<void(Bytes&)>;
  constexpr std::size_t kSecond = kHead + kKey;
  const auto copy_field = [](std::size_t in_key, std::size_t size) {
    return [=](Bytes& b) {
      std::copy_n(b.begin() + kHead + in_key, size, b.begin() + kSecond + in_key);
    };
  };
  const auto zero = [](std::size_t at) {
    return [=](Bytes& b) { std::fill_n(b.begin() + at, 32, std::byte{0}); };
  };
  const struct {
    const char* what;
    Change change;
    const char* reason;
  } cases[] = {
      {"format 0", [](Bytes& b) { b[0] = std::byte{0}; }, "format 0"},
      {"format 2", [](Bytes& b) { b[0] = std::byte{2}; }, "format 2"},
      {"fewer keys than there are", [](Bytes& b) { b[kCountAt] = std::byte{2}; }, "exactly 2 keys"},
      {"more keys than there are", [](Bytes& b) { b[kCountAt] = std::byte{4}; }, "exactly 4 keys"},
      {"65 keys", [](Bytes& b) { b[kCountAt] = std::byte{65}; }, "at most 64"},
      {"255 keys", [](Bytes& b) { b[kCountAt] = std::byte{255}; }, "at most 64"},
      {"seal_max_age", [](Bytes& b) { put(b, kSealAt, ~std::uint64_t{0}, 8); }, "seal_max_age"},
      {"open_max_age", [](Bytes& b) { put(b, kOpenAt, std::uint64_t{1} << 62, 8); },
       "open_max_age"},
      {"lineage", [](Bytes& b) { put(b, kLineageAt, ~std::uint64_t{0}, 8); }, "lineage_not_before"},
      {"state 3", [](Bytes& b) { b[kHead + kStateIn] = std::byte{3}; }, "unknown key state 3"},
      {"state 255", [](Bytes& b) { b[kSecond + kStateIn] = std::byte{255}; }, "state 255"},
      {"last epoch", [](Bytes& b) { put(b, kLastEpochAt, 3, 4); }, "above the last epoch"},
      {"two next", [](Bytes& b) { b[kSecond + kStateIn] = std::byte{0}; }, "more than one next"},
      {"two current", [](Bytes& b) { b[kHead + kStateIn] = std::byte{1}; },
       "more than one current"},
      {"states out of order", [](Bytes& b) { b[kHead + kStateIn] = std::byte{2}; }, "order"},
      {"epochs out of order",
       [](Bytes& b) {
         b[kSecond + kStateIn] = std::byte{2};
         put(b, kSecond + kKey + kEpochIn, 4, 4);
       },
       "order"},
      {"a name twice", copy_field(0, 16), "twice"},
      {"an AES key twice", copy_field(kAesIn, 32), "twice"},
      {"an HMAC key twice", copy_field(kHmacIn, 32), "twice"},
      {"an AES key of zeros", zero(kHead + kAesIn), "zero"},
      {"an HMAC key of zeros", zero(kSecond + kHmacIn), "zero"},
      {"a name key of zeros", zero(kNameKeyAt), "zero"},
  };
  const Bytes good = encoded(ring_from(example()));
  for (const auto& test : cases) {
    Bytes bad = good;
    test.change(bad);
    expect_refused(signed_again(bad), test.reason, test.what);
  }
  Bytes unsigned_change = good;
  put(unsigned_change, kTermAt, 4, 8);
  expect_refused(unsigned_change, "wrong digest", "term");
}

}  // namespace
}  // namespace usher::keyring::test
