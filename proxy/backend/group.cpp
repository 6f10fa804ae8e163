#include "proxy/backend/group.h"

#include <algorithm>
#include <utility>

#include "proxy/backend/connect_error.h"
#include "proxy/base/check.h"
#include "proxy/base/log.h"

// Group's choices, outcomes and what is around it; group_links.cpp has links and waiters.
namespace usher::backend {
namespace {

// Between two lines about failures of one server, of one worker.
constexpr std::chrono::milliseconds kSilence = std::chrono::minutes(1);

SharedHealth all_up(std::size_t servers) {
  return std::make_shared<const Snapshot<Health>>(std::make_shared<const Health>(servers, true));
}

Group::Surroundings with_health(Group::Surroundings around, std::size_t servers) {
  if (around.health == nullptr) {
    around.health = all_up(servers);
  }
  return around;
}

}  // namespace

Group::Group(const config::Backend& settings, Surroundings around)
    : settings_(settings),
      around_(with_health(std::move(around), settings_.servers.size())),
      endpoints_(*around_.endpoints),
      health_(*around_.health),
      silent_until_(settings_.servers.size()),
      balancer_(settings_, around_.workers),
      idle_(settings_.servers.size()),
      self_(std::make_shared<Group*>(this)) {
  timer_.open<&Group::on_timer>(around_.loop, *this);
  look_around();
}

Group::~Group() {
  CHECK(first_ == nullptr);
  *self_ = nullptr;
  timer_.close();
  idle_.clear();
  for (std::size_t server = 0; server < settings_.servers.size(); ++server) {
    if (balancer_.ejected(server)) {  // the group of the next generation counts in the same cells
      around_.metrics->per_server[server].ejected.sub();
    }
  }
}

Group::Found Group::choose(const Tried& tried, std::uint64_t key, Choice& to) {
  look_around();
  const Balancer::View around = view();
  const Found found = balancer_.choose(around, tried, key, false, to.server);
  if (found == Found::kServer) {
    if (balancer_.full(to.server)) {
      close_oldest(to.server);
    }
    to.address = *balancer_.next_address(around, to.server, tried);
  }
  return found;
}

void Group::disconnected(std::size_t server) {
  balancer_.disconnected(server);
  wake_soon();
}

void Group::note_connect_failed(const Choice& choice, BackendMetrics::Failure failure,
                                const std::string& detail) {
  balancer_.note_address(choice.server, choice.address, false, around_.loop.now());
  count_failure(choice.server, failure, detail);
}

void Group::note_link_failed(const Choice& choice, LinkFailure failure, const std::string& detail) {
  switch (failure) {
    case LinkFailure::kRefused:
      return note_connect_failed(choice, BackendMetrics::kRefused, detail);
    case LinkFailure::kTimeout:
      return note_connect_failed(choice, BackendMetrics::kTimeout, detail);
    case LinkFailure::kUnreachable:
      return note_connect_failed(choice, BackendMetrics::kUnreachable, detail);
    case LinkFailure::kReset:
      return note_connect_failed(choice, BackendMetrics::kReset, detail);
    case LinkFailure::kTls:
      return note_connect_failed(choice, BackendMetrics::kTls, detail);
    case LinkFailure::kNoResources:
      return;
  }
}

void Group::note_connected(const Choice& choice, std::chrono::nanoseconds took) {
  balancer_.note_address(choice.server, choice.address, true, around_.loop.now());
  around_.metrics->per_server[choice.server].connections.add();
  around_.metrics->connect_seconds.observe(took);
}

void Group::note_failure(std::size_t server, BackendMetrics::Failure failure,
                         std::string_view detail) {
  count_failure(server, failure, detail);
}

void Group::count_failure(std::size_t server, BackendMetrics::Failure failure,
                          std::string_view detail) {
  around_.metrics->per_server[server].failures[failure].add();
  tell_of_failure(server, failure, detail);
  if (!balancer_.note_failure(view(), server)) {
    return;
  }
  log::warning("backend server left out after failures",
               {{"backend", settings_.name},
                {"server", settings_.servers[server].label()},
                {"failures", settings_.eject_after},
                {"for_ms", settings_.eject_for.count()}});
  around_.metrics->per_server[server].ejected.add();
  close_idle(server);
  arm_timer();
}

// Metrics count them all; the log tells why, now and then.
void Group::tell_of_failure(std::size_t server, BackendMetrics::Failure failure,
                            std::string_view detail) {
  if (around_.loop.now() < silent_until_[server]) {
    return;
  }
  silent_until_[server] = around_.loop.now() + kSilence;
  log::warning("backend server fails", {{"backend", settings_.name},
                                        {"server", settings_.servers[server].label()},
                                        {"reason", BackendMetrics::name_of(failure)},
                                        {"error", detail}});
}

// What has changed since the last look; nearly always nothing.
void Group::look_around() {
  if (const Health& health = health_.current(); &health != health_seen_) {
    take_health(health);
  }
  if (const Endpoints& endpoints = endpoints_.current(); &endpoints != endpoints_seen_) {
    drop_lost_addresses(endpoints);
    endpoints_seen_ = &endpoints;
  }
  if (balancer_.any_ejected()) {
    balancer_.readmit(around_.loop.now(), [this](std::size_t server) {
      around_.metrics->per_server[server].ejected.sub();
      log::info("backend server is used again",
                {{"backend", settings_.name}, {"server", settings_.servers[server].label()}});
    });
  }
}

// What is down at the start does not start slowly later than what is up: only a change counts.
void Group::take_health(const Health& health) {
  CHECK(health.size() == idle_.size());
  returns_seen_.resize(health.size());
  for (std::size_t server = 0; server < health.size(); ++server) {
    const bool came_back =
        std::exchange(returns_seen_[server], health[server].returns) != health[server].returns;
    if (!health[server].up || (came_back && health_seen_ != nullptr)) {
      balancer_.set_up(server, false, around_.loop.now());
      close_idle(server);
    }
    balancer_.set_up(server, health[server].up, around_.loop.now());
  }
  health_seen_ = &health;
}

void Group::drop_lost_addresses(const Endpoints& endpoints) {
  for (std::size_t server = 0; server < idle_.size(); ++server) {
    for (Link* link = idle_[server].oldest(); link != nullptr;) {
      Link* next = idle_[server].newer_than(*link);
      if (std::ranges::find(endpoints[server], link->choice_.address) == endpoints[server].end()) {
        take_idle(*link).reset();
      }
      link = next;
    }
  }
}

}  // namespace usher::backend
