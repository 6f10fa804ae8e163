#include "proxy/backend/balancer.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "proxy/backend/hash.h"
#include "proxy/base/check.h"
#include "proxy/base/mix.h"

namespace usher::backend {
namespace {

// A configured weight of 1, so that a starting server can have parts of it.
constexpr std::int64_t kFullWeight = 100;
constexpr std::int64_t kLeastWeight = kFullWeight / 10;

bool was_tried(const Balancer::Tried& tried, std::size_t server) {
  return std::ranges::find(tried.choices, server, &Balancer::Choice::server) != tried.choices.end();
}

bool was_tried(const Balancer::Tried& tried, const SocketAddress& address) {
  return std::ranges::find(tried.choices, address, &Balancer::Choice::address) !=
         tried.choices.end();
}

bool has_untried(const std::vector<SocketAddress>& addresses, const Balancer::Tried& tried) {
  return std::ranges::any_of(
      addresses, [&](const SocketAddress& address) { return !was_tried(tried, address); });
}

}  // namespace

Balancer::Balancer(const config::Backend& settings, unsigned workers)
    : settings_(settings),
      limit_((settings.max_connections + workers - 1) / workers),
      servers_(settings.servers.size()) {
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    servers_[i].seed = hash_of(settings.servers[i].label());
  }
}

Balancer::Found Balancer::choose(const View& view, const Tried& tried, std::uint64_t key,
                                 bool idle_will_do, std::size_t& server) {
  CHECK(view.endpoints.size() == servers_.size());
  for (const Tier tier : {Tier::kOthers, Tier::kOtherAddresses, Tier::kEjected}) {
    const Found found = mark_eligible(view, tried, idle_will_do, tier);
    if (found == Found::kServer) {
      const bool by_key = settings_.balance == config::Balance::kHashClient ||
                          settings_.balance == config::Balance::kHashHeader;
      server = by_key ? by_hash(view.now, key) : by_turns(view.now);
    }
    if (found != Found::kNone) {
      return found;
    }
  }
  return Found::kNone;
}

Balancer::Found Balancer::mark_eligible(const View& view, const Tried& tried, bool idle_will_do,
                                        Tier tier) {
  Found found = Found::kNone;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    const bool fitting = fits(view, tried, idle_will_do, tier, i);
    servers_[i].eligible = fitting && (servers_[i].idle > 0 || !full(i));
    if (servers_[i].eligible) {
      found = Found::kServer;
    } else if (fitting && found == Found::kNone) {
      found = Found::kBusy;
    }
  }
  return found;
}

bool Balancer::fits(const View& view, const Tried& tried, bool idle_will_do, Tier tier,
                    std::size_t index) const {
  const Server& server = servers_[index];
  if (!server.up || server.ejected != (tier == Tier::kEjected)) {
    return false;
  }
  if (tier == Tier::kOthers && was_tried(tried, index)) {
    return false;
  }
  // Servers may share an address.
  return has_untried(view.endpoints[index], tried) ||
         (idle_will_do && server.idle > 0 && !was_tried(tried, index));
}

// Smooth weighted round robin: every competitor gains its weight, the richest is chosen and pays
// what all gained, so a server of weight 2 is chosen twice as often, never twice in a row for no
// reason. With least connections only the servers with the lowest load compete.
std::size_t Balancer::by_turns(uv::LoopTime now) {
  std::optional<std::size_t> lightest;
  if (settings_.balance == config::Balance::kLeastConnections) {
    for (std::size_t i = 0; i < servers_.size(); ++i) {
      if (servers_[i].eligible && (!lightest || lighter(i, *lightest, now))) {
        lightest = i;
      }
    }
  }
  std::int64_t gained = 0;
  std::optional<std::size_t> richest;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    if (!servers_[i].eligible || (lightest && lighter(*lightest, i, now))) {
      continue;
    }
    servers_[i].credit += weight(i, now);
    gained += weight(i, now);
    if (!richest || servers_[i].credit > servers_[*richest].credit) {
      richest = i;
    }
  }
  servers_[*richest].credit -= gained;
  return *richest;
}

std::size_t Balancer::by_hash(uv::LoopTime now, std::uint64_t key) const {
  std::size_t best = 0;
  double best_score = -1;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    if (!servers_[i].eligible) {
      continue;
    }
    // 53 bits, a half added: strictly between 0 and 1.
    const double part =
        (static_cast<double>(mixed(key ^ servers_[i].seed) >> 11) + 0.5) * 0x1.0p-53;
    const double score = static_cast<double>(weight(i, now)) / -std::log(part);
    if (score > best_score) {
      best = i;
      best_score = score;
    }
  }
  return best;
}

// Fewer connections at work for its weight.
bool Balancer::lighter(std::size_t a, std::size_t b, uv::LoopTime now) const {
  const auto at_work = [](const Server& server) {
    return static_cast<std::int64_t>(server.connections - server.idle);
  };
  return at_work(servers_[a]) * weight(b, now) < at_work(servers_[b]) * weight(a, now);
}

// Rises linearly from a tenth while the server starts slowly.
std::int64_t Balancer::weight(std::size_t server, uv::LoopTime now) const {
  const std::int64_t full = settings_.servers[server].weight;
  const uv::LoopTime left = servers_[server].slow_until - now;
  if (left <= uv::LoopTime(0)) {
    return full * kFullWeight;
  }
  return full *
         (kFullWeight - (kFullWeight - kLeastWeight) * left.count() / settings_.slow_start.count());
}

const SocketAddress* Balancer::next_address(const View& view, std::size_t index,
                                            const Tried& tried) {
  Server& server = servers_[index];
  const std::vector<SocketAddress>& addresses = view.endpoints[index];
  for (const bool failing_too : {false, true}) {
    for (std::size_t i = 0; i < addresses.size(); ++i) {
      const std::size_t at = (server.turn + i) % addresses.size();
      if (!was_tried(tried, addresses[at]) &&
          (failing_too || !failing(server, addresses[at], view.now))) {
        server.turn = (at + 1) % addresses.size();
        return &addresses[at];
      }
    }
  }
  return nullptr;
}

void Balancer::disconnected(std::size_t server) {
  CHECK(servers_[server].connections > 0);
  --servers_[server].connections;
}

bool Balancer::full(std::size_t server) const {
  return limit_ > 0 && servers_[server].connections >= limit_;
}

bool Balancer::has_room(const View& view) const {
  const auto room = [&](bool ejected) {
    for (std::size_t i = 0; i < servers_.size(); ++i) {
      const Server& server = servers_[i];
      if (server.up && server.ejected == ejected &&
          (server.idle > 0 || (!full(i) && !view.endpoints[i].empty()))) {
        return true;
      }
    }
    return false;
  };
  return room(false) || (ejected_ > 0 && room(true));
}

bool Balancer::note_failure(const View& view, std::size_t index) {
  Server& server = servers_[index];
  ++server.failures_in_row;
  if (settings_.eject_after == 0 || server.failures_in_row < settings_.eject_after ||
      server.ejected) {
    return false;
  }
  bool others = false;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    others = others || (i != index && in_use(i) && !view.endpoints[i].empty());
  }
  if (!others) {
    return false;
  }
  server.ejected = true;
  server.ejected_until = view.now + settings_.eject_for;
  ++ejected_;
  return true;
}

void Balancer::readmit(uv::LoopTime now, const std::function<void(std::size_t)>& readmitted) {
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    if (servers_[i].ejected && servers_[i].ejected_until <= now) {
      servers_[i].ejected = false;
      --ejected_;
      come_back(servers_[i], now);
      readmitted(i);
    }
  }
}

uv::LoopTime Balancer::next_readmission() const {
  uv::LoopTime next = uv::LoopTime::max();
  for (const Server& server : servers_) {
    if (server.ejected) {
      next = std::min(next, server.ejected_until);
    }
  }
  return next;
}

void Balancer::set_up(std::size_t index, bool up, uv::LoopTime now) {
  Server& server = servers_[index];
  if (up && !server.up) {
    come_back(server, now);
  }
  server.up = up;
}

void Balancer::come_back(Server& server, uv::LoopTime now) const {
  server.failures_in_row = 0;
  server.slow_until = settings_.slow_start.count() > 0 ? now + settings_.slow_start : now;
}

// An address that does not answer is not asked again for eject_for while its server has others.
void Balancer::note_address(std::size_t index, const SocketAddress& address, bool answers,
                            uv::LoopTime now) {
  std::vector<FailingAddress>& known = servers_[index].failing;
  if (known.empty() && answers) {
    return;
  }
  std::erase_if(
      known, [&](const FailingAddress& one) { return one.address == address || one.until <= now; });
  if (!answers) {
    known.push_back({address, now + settings_.eject_for});
  }
}

bool Balancer::failing(const Server& server, const SocketAddress& address, uv::LoopTime now) {
  return std::ranges::any_of(server.failing, [&](const FailingAddress& one) {
    return one.address == address && one.until > now;
  });
}

}  // namespace usher::backend
