#include "proxy/keyring/rotation.h"

#include <gtest/gtest.h>

#include "tests/unit/keyring/support/test_keys.h"

namespace usher::keyring::test {
namespace {

KeyRing begin(const RandomSource& random, AgePolicy policy = kPolicy) {
  auto ring = first_ring(kStart, policy, random);
  CHECK(ring);
  return *std::move(ring);
}

TEST(Rotation, first_ring_seals_at_once) {
  const KeyRing ring = begin(counting());
  EXPECT_EQ(shape(ring), "c1");
  EXPECT_EQ(ring.version(), (KeyRing::Version{1, 1}));
  ASSERT_NE(ring.sealing_key(kStart), nullptr);
  EXPECT_EQ(unmask_name(ring.sealing_key(kStart)->name, *ring.name_key()),
            (NameParts{ring.tag(), 1}));
}

TEST(Rotation, every_transition_raises_the_version) {
  const RandomSource random = counting();
  const KeyRing first = begin(random);
  const auto with_next = create_next(first, kStart + 1h, random);
  ASSERT_TRUE(with_next);
  EXPECT_EQ(shape(*with_next), "n2 c1");
  EXPECT_EQ(with_next->version().version, 2U);
  EXPECT_EQ(with_next->sealing_key(kStart + 1h)->epoch, 1U) << "next must not seal yet";

  const auto promoted = promote(*with_next);
  ASSERT_TRUE(promoted);
  EXPECT_EQ(shape(*promoted), "c2 p1");
  EXPECT_EQ(promoted->version().version, 3U);

  const KeyRing expired = expire(*promoted, kStart + 9h);
  EXPECT_EQ(shape(expired), "c2");
  EXPECT_EQ(expired.version().version, 4U);

  const KeyRing changed = with_policy(expired, {1h, 2h});
  EXPECT_EQ(shape(changed), "c2");
  EXPECT_EQ(changed.policy().seal_max_age, 1h);
  EXPECT_EQ(changed.version().version, 5U);
  EXPECT_EQ(shape(first), "c1") << "rings are values";
}

TEST(Rotation, nothing_to_expire_changes_nothing) {
  const KeyRing ring = begin(counting());
  EXPECT_EQ(expire(ring, kStart + 9h - 1ns).version(), ring.version());
  const KeyRing for_ever = begin(counting(), {std::nullopt, std::nullopt});
  EXPECT_EQ(shape(expire(for_ever, kStart + 90000h)), "c1");
}

TEST(Rotation, refuses) {
  const RandomSource random = counting();
  const KeyRing ring = begin(random);
  EXPECT_FALSE(promote(ring));
  EXPECT_FALSE(promote(KeyRing()));
  const auto with_next = create_next(ring, kStart, random);
  ASSERT_TRUE(with_next);
  EXPECT_FALSE(create_next(*with_next, kStart, random));
  EXPECT_FALSE(create_next(KeyRing(), kStart, random)) << "no name key";

  const auto last = KeyRing::make({{1, 1},
                                   {{key_with(0xffffffff, 1), KeyState::kCurrent}},
                                   kPolicy,
                                   ring.tag(),
                                   ring.name_key()});
  ASSERT_TRUE(last);
  EXPECT_FALSE(create_next(*last, kStart, random)) << "epochs must not begin again";
}

TEST(Rotation, refuses_randomness_that_is_none) {
  const RandomSource broken = [](std::span<std::byte>) { return false; };
  const RandomSource zeros = [](std::span<std::byte> into) {
    std::ranges::fill(into, std::byte{0});
    return true;
  };
  const RandomSource stuck = [](std::span<std::byte> into) {
    std::ranges::fill(into, std::byte{7});
    return true;
  };
  const KeyRing ring = begin(stuck);
  for (const auto& random : {broken, zeros}) {
    EXPECT_FALSE(first_ring(kStart, kPolicy, random));
    EXPECT_FALSE(create_next(ring, kStart, random));
    EXPECT_FALSE(rotate_embedded(ring, kStart, random));
  }
  EXPECT_FALSE(create_next(ring, kStart, stuck)) << "the same key again";
}

TEST(Rotation, generator_may_fail_at_any_call) {
  const auto failing_at = [](int call) {
    return [left = call](std::span<std::byte> into) mutable {
      std::ranges::fill(into, static_cast<std::byte>(0x40 + left));
      return left-- != 0;
    };
  };
  for (int call = 0; call < 5; ++call) {
    EXPECT_FALSE(first_ring(kStart, kPolicy, failing_at(call))) << call;
  }
  EXPECT_TRUE(first_ring(kStart, kPolicy, failing_at(5)));
}

TEST(Rotation, refuses_a_65th_key) {
  const RandomSource random = counting();
  KeyRing ring = begin(random, {std::nullopt, std::nullopt});
  while (ring.entries().size() < kMaxKeys) {
    auto next = create_next(ring, kStart, random);
    ASSERT_TRUE(next) << next.error().message;
    auto promoted = promote(*next);
    ASSERT_TRUE(promoted);
    ring = *std::move(promoted);
  }
  EXPECT_FALSE(create_next(ring, kStart, random));
}

// An expired ring without keys must not reuse names' epochs, nor take its old names for future
// ones.
TEST(Rotation, epochs_go_on_after_every_key_has_expired) {
  const RandomSource random = counting();
  const KeyRing ring = begin(random);
  const KeyName old_name = ring.entries().front().key->name;
  const KeyRing empty = expire(ring, kStart + 9h);
  EXPECT_EQ(shape(empty), "");
  EXPECT_EQ(empty.classify_unknown(old_name), UnknownName::kPast);
  const auto next = create_next(empty, kStart + 9h, random);
  ASSERT_TRUE(next);
  EXPECT_EQ(shape(*next), "n2");
}

TEST(RotateEmbedded, runs_for_days_within_the_policy) {
  const RandomSource random = private_random();
  KeyRing ring = begin(random);
  auto now = kStart;
  std::uint32_t epoch = 1;
  for (int hour = 0; hour < 200; ++hour) {
    ASSERT_EQ(next_due(ring, 1h), now + 1h);
    now += 1h;
    const KeyName sealed_with = ring.sealing_key(now)->name;
    const auto rotated = rotate_embedded(ring, now, random);
    ASSERT_TRUE(rotated) << rotated.error().message;
    EXPECT_GT(rotated->version(), ring.version());
    EXPECT_EQ(rotated->sealing_key(now)->epoch, ++epoch);
    EXPECT_EQ(rotated->opening_key(sealed_with, now)->state, KeyState::kPrevious);
    EXPECT_LE(rotated->entries().size(), 9U);
    ring = *rotated;
  }
  EXPECT_EQ(ring.entries().size(), 9U);
}

// The machine slept: every key is over age. Until then nothing seals; then a fresh key does.
TEST(RotateEmbedded, fresh_key_after_a_long_sleep) {
  const RandomSource random = counting();
  auto ring = rotate_embedded(begin(random), kStart + 1h, random);
  ASSERT_TRUE(ring);
  const auto awake = kStart + 1000h;
  EXPECT_EQ(ring->sealing_key(awake), nullptr);
  EXPECT_LE(next_due(*ring, 1h), awake);
  const auto rotated = rotate_embedded(*ring, awake, random);
  ASSERT_TRUE(rotated);
  EXPECT_EQ(shape(*rotated), "c3");
  EXPECT_EQ(rotated->sealing_key(awake)->created, awake);
}

TEST(RotateEmbedded, fresh_key_for_a_ring_that_expired_to_nothing) {
  const RandomSource random = counting();
  const KeyRing empty = expire(begin(random), kStart + 9h);
  EXPECT_LE(next_due(empty, 1h), kStart);
  const auto rotated = rotate_embedded(empty, kStart + 9h, random);
  ASSERT_TRUE(rotated);
  EXPECT_EQ(shape(*rotated), "c2");
}

// A policy without end cannot fill the ring for good: the oldest key makes room.
TEST(RotateEmbedded, full_ring_drops_its_oldest_key) {
  const RandomSource random = private_random();
  KeyRing ring = begin(random, {std::nullopt, std::nullopt});
  for (unsigned i = 0; i < 2 * kMaxKeys; ++i) {
    const auto rotated = rotate_embedded(ring, kStart, random);
    ASSERT_TRUE(rotated) << rotated.error().message;
    ring = *rotated;
    ASSERT_LE(ring.entries().size(), kMaxKeys);
  }
  EXPECT_EQ(ring.entries().size(), kMaxKeys);
  EXPECT_EQ(ring.entries().front().state, KeyState::kCurrent);
  EXPECT_EQ(ring.entries().front().key->epoch, 2 * kMaxKeys + 1);
  EXPECT_EQ(ring.entries().back().key->epoch, kMaxKeys + 2);
}

TEST(RotateEmbedded, unfinished_next_is_refused) {
  const RandomSource random = counting();
  const auto with_next = create_next(begin(random), kStart, random);
  ASSERT_TRUE(with_next);
  EXPECT_FALSE(rotate_embedded(*with_next, kStart, random));
}

TEST(PrivateRandom, fills_and_differs) {
  std::array<std::byte, 32> a{};
  std::array<std::byte, 32> b{};
  const RandomSource random = private_random();
  ASSERT_TRUE(random(a));
  ASSERT_TRUE(random(b));
  EXPECT_NE(a, b);
  EXPECT_TRUE(random(std::span<std::byte>()));
}

}  // namespace
}  // namespace usher::keyring::test
