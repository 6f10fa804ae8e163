#include "proxy/backend/group.h"

#include <algorithm>

#include "proxy/base/check.h"

namespace usher::backend {

Group::Group(const config::Backend& settings, SharedEndpoints endpoints)
    : settings_(settings),
      snapshot_(std::move(endpoints)),
      endpoints_(*snapshot_),
      loads_(settings_.servers.size()) {}

std::optional<Group::Choice> Group::choose(const Tried& tried) {
  const Endpoints& endpoints = endpoints_.current();
  CHECK(endpoints.size() == loads_.size());
  // Another address of a server that has just failed comes after all other servers.
  std::optional<std::size_t> server = pick(endpoints, tried, Again::kNo);
  if (!server && !tried.choices.empty()) {
    server = pick(endpoints, tried, Again::kYes);
  }
  if (!server) {
    return std::nullopt;
  }
  const std::vector<SocketAddress>& addresses = endpoints[*server];
  const std::size_t address = *untried_address(endpoints, *server, tried);
  loads_[*server].next_address = (address + 1) % addresses.size();
  return Choice{*server, addresses[address]};
}

void Group::connected(std::size_t server) {
  ++loads_[server].connections;
}

void Group::disconnected(std::size_t server) {
  CHECK(loads_[server].connections > 0);
  --loads_[server].connections;
}

// Smooth weighted round robin: every competitor gains its weight, the richest is chosen and pays
// what all gained, so a server of weight 2 is chosen twice as often, never twice in a row for no
// reason. With least connections only the servers with the lowest load compete.
std::optional<std::size_t> Group::pick(const Endpoints& endpoints, const Tried& tried,
                                       Again again) {
  std::optional<std::size_t> lightest;
  for (std::size_t server = 0; server < loads_.size(); ++server) {
    if (usable(endpoints, server, tried, again) && (!lightest || lighter(server, *lightest))) {
      lightest = server;
    }
  }
  if (!lightest) {
    return std::nullopt;
  }
  const bool by_load = settings_.balance == config::Balance::kLeastConnections;
  std::int64_t gained = 0;
  std::optional<std::size_t> richest;
  for (std::size_t server = 0; server < loads_.size(); ++server) {
    if (!usable(endpoints, server, tried, again) || (by_load && lighter(*lightest, server))) {
      continue;
    }
    loads_[server].credit += weight(server);
    gained += weight(server);
    if (!richest || loads_[server].credit > loads_[*richest].credit) {
      richest = server;
    }
  }
  loads_[*richest].credit -= gained;
  return richest;
}

std::int64_t Group::weight(std::size_t server) const {
  return settings_.servers[server].weight;
}

// Fewer connections for its weight.
bool Group::lighter(std::size_t a, std::size_t b) const {
  return static_cast<std::int64_t>(loads_[a].connections) * weight(b) <
         static_cast<std::int64_t>(loads_[b].connections) * weight(a);
}

bool Group::usable(const Endpoints& endpoints, std::size_t server, const Tried& tried,
                   Again again) const {
  if (again == Again::kNo &&
      std::ranges::find(tried.choices, server, &Choice::server) != tried.choices.end()) {
    return false;
  }
  return untried_address(endpoints, server, tried).has_value();  // servers may share an address
}

// Beginning with the one whose turn it is.
std::optional<std::size_t> Group::untried_address(const Endpoints& endpoints, std::size_t server,
                                                  const Tried& tried) const {
  const std::vector<SocketAddress>& addresses = endpoints[server];
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    const std::size_t index = (loads_[server].next_address + i) % addresses.size();
    if (std::ranges::find(tried.choices, addresses[index], &Choice::address) ==
        tried.choices.end()) {
      return index;
    }
  }
  return std::nullopt;
}

}  // namespace usher::backend
