#include "proxy/tls/ticket_policy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace usher::tls {
namespace {

using namespace std::chrono_literals;

constexpr UnixSeconds kNow{1'800'000'000s};

constexpr Domain kDomain{std::byte{0xd0}, std::byte{0x03}};

TEST(TicketAppDataTest, is_read_as_it_was_written) {
  for (const auto seconds : {0s, 1s, 255s, 256s, 1'800'000'000s, 4'294'967'296s}) {
    for (const auto& domain : {std::optional<Domain>(), std::optional(kDomain)}) {
      const TicketAppData data{UnixSeconds(seconds), domain};
      EXPECT_EQ(decode_app_data(encode_app_data(data).view()), data);
    }
  }
}

TEST(TicketAppDataTest, bytes_are_the_documented_ones) {
  const UnixSeconds start(0x01020304s);
  EXPECT_EQ(hex(encode_app_data({start, std::nullopt}).view()), "010000000001020304");
  EXPECT_EQ(hex(encode_app_data({start, kDomain}).view()),
            "020000000001020304d003" + std::string(60, '0'));
}

TEST(TicketAppDataTest, refuses_what_is_malformed) {
  for (const auto& domain : {std::optional<Domain>(), std::optional(kDomain)}) {
    const EncodedAppData good = encode_app_data({kNow, domain});
    std::vector<std::byte> bytes(good.view().begin(), good.view().end());
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(decode_app_data(ByteView(bytes).first(size))) << size;
    }
    bytes.push_back(std::byte{0});
    EXPECT_FALSE(decode_app_data(bytes)) << "too long";
    bytes.pop_back();
    for (const unsigned version : {0U, domain ? 1U : 2U, 3U, 255U}) {
      bytes[0] = static_cast<std::byte>(version);
      EXPECT_FALSE(decode_app_data(bytes)) << "version " << version;
    }
    bytes[0] = good.bytes[0];
    std::fill(bytes.begin() + 1, bytes.end(), std::byte{0xff});
    EXPECT_FALSE(decode_app_data(bytes)) << "a time whose sums overflow";
  }
}

TEST(SessionEnd, is_the_earliest_of_three) {
  const TicketPolicy policy{.session_lifetime = 6h, .lineage_max = 24h};
  const struct {
    const char* what;
    SessionTimes times;
    UnixSeconds end;
  } cases[] = {
      {"a new session", {kNow, kNow, {}}, kNow + 6h},
      {"renewed in TLS 1.3, young lineage", {kNow, kNow - 10h, {}}, kNow + 6h},
      {"exactly where both end", {kNow, kNow - 18h, {}}, kNow + 6h},
      {"renewed in TLS 1.3, old lineage", {kNow, kNow - 20h, {}}, kNow + 4h},
      {"renewed in TLS 1.2", {kNow - 5h, kNow - 5h, {}}, kNow + 1h},
      {"lineage over", {kNow, kNow - 24h, {}}, kNow},
      {"lineage long over", {kNow, kNow - 30h, {}}, kNow - 6h},
      {"a start in the future counts as now", {kNow, kNow + 100h, {}}, kNow + 6h},
      {"client certificate ends first", {kNow, kNow, kNow + 1h}, kNow + 1h},
      {"client certificate ends last", {kNow, kNow, kNow + 7h}, kNow + 6h},
      {"client certificate has ended", {kNow, kNow, kNow - 1s}, kNow - 1s},
  };
  for (const auto& test : cases) {
    EXPECT_EQ(session_end(test.times, policy, kNow), test.end) << test.what;
  }
}

TEST(SessionEnd, lineage_shorter_than_a_session) {
  const TicketPolicy policy{.session_lifetime = 6h, .lineage_max = 1h};
  EXPECT_EQ(session_end({kNow, kNow, {}}, policy, kNow), kNow + 1h);
  EXPECT_EQ(session_end({kNow, kNow + 5h, {}}, policy, kNow), kNow + 1h);
}

}  // namespace
}  // namespace usher::tls
