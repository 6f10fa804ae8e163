#include "proxy/relay/phase.h"

#include <gtest/gtest.h>

#include <set>

#include "proxy/relay/close_reason.h"

namespace usher::relay {
namespace {

TEST(Phase, EveryOpenPhaseMayBeClosedAndNothingFollows) {
  for (std::size_t i = 0; i < kPhases; ++i) {
    const auto phase = static_cast<Phase>(i);
    EXPECT_EQ(may_follow(phase, Phase::kClosed), phase != Phase::kClosed) << name_of(phase);
    EXPECT_FALSE(may_follow(phase, phase)) << name_of(phase);
    EXPECT_FALSE(may_follow(phase, Phase::kAccepted)) << name_of(phase);
  }
}

TEST(Phase, TheWayThroughALife) {
  const Phase life[] = {Phase::kAccepted,  Phase::kProxyHeader, Phase::kHello,
                        Phase::kSuspended, Phase::kHandshaking, Phase::kDialing,
                        Phase::kRelaying,  Phase::kDraining,    Phase::kClosed};
  for (std::size_t i = 0; i + 1 < std::size(life); ++i) {
    EXPECT_TRUE(may_follow(life[i], life[i + 1])) << name_of(life[i]);
  }
  EXPECT_TRUE(may_follow(Phase::kAccepted, Phase::kHello));
  EXPECT_TRUE(may_follow(Phase::kHello, Phase::kHandshaking));
}

TEST(Phase, OnlyAHelloIsSuspended) {
  for (std::size_t i = 0; i < kPhases; ++i) {
    const auto phase = static_cast<Phase>(i);
    EXPECT_EQ(may_follow(phase, Phase::kSuspended), phase == Phase::kHello) << name_of(phase);
  }
}

TEST(Phase, NoBackendIsDialedBeforeTheHandshake) {
  for (const Phase from :
       {Phase::kAccepted, Phase::kProxyHeader, Phase::kHello, Phase::kSuspended}) {
    EXPECT_FALSE(may_follow(from, Phase::kDialing));
  }
}

TEST(Phase, NobodySpeaksInTheMiddleOfAHello) {
  EXPECT_FALSE(may_follow(Phase::kHello, Phase::kRelaying));
}

TEST(Phase, NamesAreDistinct) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kPhases; ++i) {
    names.insert(name_of(static_cast<Phase>(i)));
  }
  for (std::size_t i = 0; i < kCloseReasons; ++i) {
    names.insert(name_of(static_cast<CloseReason>(i)));
  }
  EXPECT_EQ(names.size(), kPhases + kCloseReasons);
  EXPECT_FALSE(names.contains(""));
}

}  // namespace
}  // namespace usher::relay
