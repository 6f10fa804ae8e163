#include "proxy/tls/tls_session.h"

#include <gtest/gtest.h>

#include "tests/unit/tls/support/joined.h"

namespace usher::tls::test {
namespace {

// Both versions, and pipes that hand over everything or one byte at a time.
class TlsSessionTransfer : public testing::TestWithParam<std::tuple<int, std::size_t>> {};

INSTANTIATE_TEST_SUITE_P(Versions, TlsSessionTransfer,
                         testing::Combine(testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                                          testing::Values(Joined::kNoQuota, std::size_t{7},
                                                          std::size_t{1})));

TEST_P(TlsSessionTransfer, handshake_and_bytes_both_ways) {
  const auto [version, quota] = GetParam();
  Joined joined(context_of(simple_listener()),
                {.min_version = version, .max_version = version, .sni = "LocalHost"}, nullptr,
                quota);
  ASSERT_TRUE(joined.handshake()) << joined.server().failure_detail();

  const TlsFacts facts = joined.server().facts();
  EXPECT_EQ(facts.version, version == TLS1_3_VERSION ? "TLSv1.3" : "TLSv1.2");
  EXPECT_EQ(facts.cipher,
            version == TLS1_3_VERSION ? "TLS_AES_128_GCM_SHA256" : "ECDHE-ECDSA-AES128-GCM-SHA256");
  EXPECT_EQ(facts.sni, "localhost");
  EXPECT_EQ(facts.resumption, Resumption::kNone);
  EXPECT_EQ(facts.offer, OfferKind::kNone);
  EXPECT_FALSE(facts.client_cert);

  const std::string question(20000, 'q');
  ASSERT_TRUE(joined.client_write(question));
  EXPECT_EQ(joined.pump_to_server(), IoOutcome::kBlocked);
  EXPECT_EQ(joined.received(), question);

  const std::string answer(40000, 'a');
  ASSERT_TRUE(joined.server().output_room(answer.size()));
  EXPECT_EQ(joined.server().write(bytes_of(answer), 16384), IoOutcome::kProgress);
  std::string got;
  EXPECT_TRUE(joined.pump_to_client(got));
  EXPECT_EQ(got, answer);
}

}  // namespace
}  // namespace usher::tls::test
