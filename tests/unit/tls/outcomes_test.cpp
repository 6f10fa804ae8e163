#include "proxy/tls/outcomes.h"

#include <gtest/gtest.h>

#include <set>

namespace usher::tls {
namespace {

template <class Enum>
void expect_distinct_names(std::size_t count) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < count; ++i) {
    names.insert(name_of(static_cast<Enum>(i)));
  }
  EXPECT_EQ(names.size(), count);
  EXPECT_FALSE(names.contains(""));
}

TEST(Outcomes, every_value_has_a_name_of_its_own) {
  expect_distinct_names<Resumption>(kResumptions);
  expect_distinct_names<OfferKind>(kOfferKinds);
  expect_distinct_names<OfferOutcome>(kOfferOutcomes);
  expect_distinct_names<TlsFailure>(kTlsFailures);
}

TEST(Outcomes, names_are_those_of_the_contract) {
  EXPECT_EQ(name_of(Resumption::kPsk), "psk");
  EXPECT_EQ(name_of(OfferKind::kSessionId), "session_id");
  EXPECT_EQ(name_of(OfferOutcome::kUnknownForeign), "unknown_foreign");
  EXPECT_EQ(name_of(OfferOutcome::kOther), "other");
  EXPECT_EQ(name_of(TlsFailure::kKeyUpdateFlood), "key_update_flood");
}

}  // namespace
}  // namespace usher::tls
