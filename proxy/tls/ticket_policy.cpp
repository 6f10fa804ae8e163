#include "proxy/tls/ticket_policy.h"

#include <algorithm>

namespace usher::tls {
namespace {

constexpr std::byte kVersion{1};

}  // namespace

TicketAppData encode_app_data(UnixSeconds lineage_start) {
  TicketAppData data{kVersion};
  const auto seconds = static_cast<std::uint64_t>(lineage_start.time_since_epoch().count());
  for (std::size_t i = 0; i < 8; ++i) {
    data[1 + i] = static_cast<std::byte>(seconds >> (56 - 8 * i));
  }
  return data;
}

std::optional<UnixSeconds> decode_app_data(ByteView bytes) {
  if (bytes.size() != std::tuple_size_v<TicketAppData> || bytes[0] != kVersion) {
    return std::nullopt;
  }
  std::uint64_t seconds = 0;
  for (std::byte byte : bytes.subspan(1)) {
    seconds = seconds << 8 | std::to_integer<std::uint64_t>(byte);
  }
  // Beyond any real time: only a damaged ticket has it, and sums with it would overflow.
  constexpr std::uint64_t kLatest = std::uint64_t{1} << 40;
  if (seconds > kLatest) {
    return std::nullopt;
  }
  return UnixSeconds(std::chrono::seconds(seconds));
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
