#include "keyd/sealed_state.h"

#include "tests/unit/keyd/support/stored.h"

namespace usher::keyd::test {
namespace {

constexpr SealedAs kAs{SealedKind::kState, "default"};
constexpr KeyRing::Version kVersion{3, 9};

std::vector<std::byte> sealed_text(std::string_view text = "secret") {
  auto sealed = seal(store_key(), kAs, kVersion, bytes_of(text));
  EXPECT_TRUE(sealed) << sealed.error().message;
  return *std::move(sealed);
}

TEST(SealedState, OpensToWhatWasSealed) {
  const auto opened = open_sealed(store_key(), kAs, sealed_text());
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(text_of(opened->plain.bytes()), "secret");
  EXPECT_EQ(opened->version, kVersion);
}

TEST(SealedState, NeverTwiceTheSame) {
  EXPECT_NE(sealed_text(), sealed_text());
  EXPECT_EQ(text_of(sealed_text()).find("secret"), std::string_view::npos);
}

TEST(SealedState, EveryChangedBitIsNoticed) {
  const auto good = sealed_text();
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    auto bad = good;
    bad[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    EXPECT_FALSE(open_sealed(store_key(), kAs, bad)) << bit;
  }
}

TEST(SealedState, EveryOtherLengthIsNoticed) {
  auto sealed = sealed_text();
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_FALSE(open_sealed(store_key(), kAs, std::span(sealed).first(size))) << size;
  }
  sealed.push_back({});
  EXPECT_FALSE(open_sealed(store_key(), kAs, sealed));
  EXPECT_FALSE(open_sealed(store_key(), kAs, std::vector<std::byte>(4'000'000)));
}

TEST(SealedState, AnotherKeyFleetOrKindOpensNothing) {
  const auto sealed = sealed_text();
  const auto other_key = open_sealed(store_key(8), kAs, sealed);
  ASSERT_FALSE(other_key);
  EXPECT_NE(other_key.error().message.find("another key_file"), std::string::npos);
  EXPECT_FALSE(open_sealed(store_key(), {SealedKind::kState, "defaul"}, sealed));
  EXPECT_FALSE(open_sealed(store_key(), {SealedKind::kReports, "default"}, sealed));
}

}  // namespace
}  // namespace usher::keyd::test
