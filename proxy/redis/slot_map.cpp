#include "proxy/redis/slot_map.h"

#include <algorithm>
#include <map>
#include <utility>

#include "proxy/redis/slot.h"

namespace usher::redis {
namespace {

using Type = Reply::Type;

// A name of DNS is shorter.
constexpr std::size_t kHostMax = 253;

bool is_number_below(const Reply& reply, std::int64_t limit) {
  return reply.is(Type::kInteger) && reply.integer >= 0 && reply.integer < limit;
}

// Of ["ip", "10.0.0.1", …]; "" if it is not told.
std::string_view ip_in(const Reply& metadata) {
  for (std::size_t i = 0; i + 1 < metadata.elements.size(); i += 2) {
    if (metadata.elements[i].text == "ip") {
      return metadata.elements[i + 1].text;
    }
  }
  return {};
}

// An empty host: a node that cannot be reached.
NodeAddress address_of(const Reply& node, std::string_view asked_host) {
  std::string_view host = node.elements[0].text;
  if (host.empty()) {
    host = asked_host;
  } else if (host == "?") {
    host = node.elements.size() > 3 ? ip_in(node.elements[3]) : std::string_view();
  }
  if (host.size() > kHostMax) {
    host = {};
  }
  return {std::string(host), static_cast<std::uint16_t>(node.elements[1].integer)};
}

bool is_range(const Reply& range) {
  const std::vector<Reply>& parts = range.elements;
  const std::int64_t slots = kSlots;
  return parts.size() >= 3 && is_number_below(parts[0], slots) &&
         is_number_below(parts[1], slots) && parts[0].integer <= parts[1].integer &&
         parts[2].elements.size() >= 2 && is_number_below(parts[2].elements[1], 65536);
}

}  // namespace

std::optional<SlotMap> parse_slots(const Reply& reply, std::string_view asked_host) {
  SlotMap map;
  map.owners.assign(kSlots, SlotMap::kNobody);
  std::map<NodeAddress, std::uint16_t> indices;
  if (!reply.is(Type::kArray) || reply.elements.size() > kSlots) {
    return std::nullopt;
  }
  for (const Reply& range : reply.elements) {
    if (!is_range(range)) {
      return std::nullopt;
    }
    const NodeAddress address = address_of(range.elements[2], asked_host);
    if (address.host.empty() || address.port == 0) {
      continue;
    }
    const auto [place, added] =
        indices.try_emplace(address, static_cast<std::uint16_t>(map.masters.size()));
    if (added) {
      map.masters.push_back(address);
      if (map.masters.size() > SlotMap::kMastersMax) {
        return std::nullopt;
      }
    }
    std::fill(map.owners.begin() + range.elements[0].integer,
              map.owners.begin() + range.elements[1].integer + 1, place->second);
  }
  map.complete = std::ranges::find(map.owners, SlotMap::kNobody) == map.owners.end();
  return map;
}

}  // namespace usher::redis
