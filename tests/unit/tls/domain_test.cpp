#include "proxy/tls/domain.h"

#include <gtest/gtest.h>

namespace usher::tls {
namespace {

ClientTrust trust_with(std::initializer_list<std::uint8_t> cas, std::uint8_t crl = 0) {
  ClientTrust trust;
  for (const std::uint8_t ca : cas) {
    trust.ca_digests.emplace_back().fill(std::byte{ca});
  }
  trust.crl_digest.fill(std::byte{crl});
  return trust;
}

TEST(ResumptionDomain, equal_inputs_are_one_domain) {
  const ClientTrust a = trust_with({1, 2}, 3);
  const ClientTrust b = trust_with({1, 2}, 3);
  EXPECT_EQ(resumption_domain(ClientAuth::kRequired, 4, &a, "www.example"),
            resumption_domain(ClientAuth::kRequired, 4, &b, "www.example"));
}

TEST(ResumptionDomain, every_part_counts) {
  const ClientTrust trust = trust_with({1, 2}, 3);
  const ClientTrust other_cas = trust_with({1}, 3);
  const ClientTrust other_crl = trust_with({1, 2}, 4);
  const Domain base = resumption_domain(ClientAuth::kRequired, 4, &trust, "a.example");
  EXPECT_NE(base, resumption_domain(ClientAuth::kOptional, 4, &trust, "a.example"));
  EXPECT_NE(base, resumption_domain(ClientAuth::kRequired, 5, &trust, "a.example"));
  EXPECT_NE(base, resumption_domain(ClientAuth::kRequired, 4, nullptr, "a.example"));
  EXPECT_NE(base, resumption_domain(ClientAuth::kRequired, 4, &other_cas, "a.example"));
  EXPECT_NE(base, resumption_domain(ClientAuth::kRequired, 4, &other_crl, "a.example"));
  EXPECT_NE(base, resumption_domain(ClientAuth::kRequired, 4, &trust, "b.example"));
  EXPECT_NE(base, resumption_domain(ClientAuth::kRequired, 4, &trust, ""));
}

// Digests of CAs must not be taken for the CRL's digest behind them.
TEST(ResumptionDomain, parts_do_not_run_together) {
  const ClientTrust two_cas = trust_with({1, 2}, 2);
  ClientTrust three_cas = trust_with({1, 2, 2}, 2);
  EXPECT_NE(resumption_domain(ClientAuth::kRequired, 4, &two_cas, ""),
            resumption_domain(ClientAuth::kRequired, 4, &three_cas, ""));
}

}  // namespace
}  // namespace usher::tls
