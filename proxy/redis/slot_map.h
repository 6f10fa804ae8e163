#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/redis/reply.h"

namespace usher::redis {

// Where a cluster says that a node listens.
struct NodeAddress {
  std::string host;
  std::uint16_t port = 0;

  auto operator<=>(const NodeAddress&) const = default;
};

// Which master owns which slot, as one node of a cluster sees it.
struct SlotMap {
  static constexpr std::size_t kMastersMax = 1024;
  static constexpr std::uint16_t kNobody = 0xFFFF;

  std::vector<NodeAddress> masters;
  std::vector<std::uint16_t> owners;  // kSlots indices into `masters`, or kNobody
  bool complete = false;              // no slot is nobody's
};

// What CLUSTER SLOTS may answer: many ranges of few replicas or few of many, at most some 25 MiB.
inline constexpr Expected kSlotsExpected{static_cast<std::uint8_t>(Reply::Type::kArray),
                                         4 * std::size_t{1024 * 1024}, 256 * std::size_t{1024}};

// The reply to CLUSTER SLOTS: [first, last, [host, port, id, [metadata…]], replicas…]… An empty or
// null host is the host that was asked; "?" is a name that is not known, the metadata's "ip" stands
// for it. None: not such a reply, or more masters than kMastersMax.
std::optional<SlotMap> parse_slots(const Reply& reply, std::string_view asked_host);

}  // namespace usher::redis
