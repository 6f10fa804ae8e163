#include "proxy/tls/ticket_policy.h"

#include <algorithm>

#include "proxy/keyring/key_ring.h"

namespace usher::tls {
namespace {

constexpr std::byte kWithoutDomain{1};
constexpr std::byte kWithDomain{2};
constexpr std::size_t kLineageEnd = 9;  // behind version and lineage start

}  // namespace

EncodedAppData encode_app_data(const TicketAppData& data) {
  EncodedAppData encoded;
  encoded.bytes[0] = data.domain ? kWithDomain : kWithoutDomain;
  const auto seconds = static_cast<std::uint64_t>(data.lineage_start.time_since_epoch().count());
  for (std::size_t i = 0; i < 8; ++i) {
    encoded.bytes[1 + i] = static_cast<std::byte>(seconds >> (56 - 8 * i));
  }
  encoded.size = kLineageEnd;
  if (data.domain) {
    std::ranges::copy(*data.domain, encoded.bytes.begin() + kLineageEnd);
    encoded.size = encoded.bytes.size();
  }
  return encoded;
}

std::optional<TicketAppData> decode_app_data(ByteView bytes) {
  const bool plain = bytes.size() == kLineageEnd && bytes[0] == kWithoutDomain;
  const bool with_domain =
      bytes.size() == kLineageEnd + std::tuple_size_v<Domain> && bytes[0] == kWithDomain;
  if (!plain && !with_domain) {
    return std::nullopt;
  }
  std::uint64_t seconds = 0;
  for (std::byte byte : bytes.subspan(1, 8)) {
    seconds = seconds << 8 | std::to_integer<std::uint64_t>(byte);
  }
  // Beyond any real time: only a damaged ticket has it, and sums with it would overflow.
  if (seconds > static_cast<std::uint64_t>(keyring::kUnixTimeMax.time_since_epoch().count())) {
    return std::nullopt;
  }
  TicketAppData data{UnixSeconds(std::chrono::seconds(seconds)), std::nullopt};
  if (with_domain) {
    std::ranges::copy(bytes.subspan(kLineageEnd), data.domain.emplace().begin());
  }
  return data;
}

UnixSeconds session_end(const SessionTimes& times, const TicketPolicy& policy, UnixSeconds now) {
  const UnixSeconds lineage_start = std::min(times.lineage_start, now);
  UnixSeconds end =
      std::min(times.session_time + policy.session_lifetime, lineage_start + policy.lineage_max);
  if (times.client_not_after) {
    end = std::min(end, *times.client_not_after);
  }
  return end;
}

}  // namespace usher::tls
