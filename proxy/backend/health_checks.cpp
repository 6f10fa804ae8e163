#include "proxy/backend/health_checks.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "proxy/backend/health_probe.h"
#include "proxy/base/log.h"
#include "proxy/uv/timer.h"

namespace usher::backend {
namespace {

// When to look again for an address of a server that has none.
constexpr std::chrono::milliseconds kNoAddress(1'000);

}  // namespace

struct HealthChecks::State {
  // One server's: a check, a pause, the next check.
  struct Server {
    Server(State& all, std::size_t own_index);

    void check();
    void on_checked(const std::string& failure);
    void change(bool now_up, const std::string& why);

    State& state;
    std::size_t index;
    HealthProbe probe;
    uv::Timer timer;
    uv::LoopTime began{0};
    unsigned against = 0;  // results in a row that speak against the present state
  };

  State(uv::Loop& own_loop, const config::Backend& settings, SharedEndpoints shared,
        std::shared_ptr<tls::BackendTls> own_tls)
      : loop(own_loop),
        backend(settings),
        endpoints(std::move(shared)),
        tls(std::move(own_tls)),
        up(backend.servers.size(), true),
        published(std::make_shared<Snapshot<Health>>(std::make_shared<const Health>(up))) {
    for (std::size_t index = 0; index < backend.servers.size(); ++index) {
      servers.push_back(std::make_unique<Server>(*this, index));
    }
  }

  uv::Loop& loop;
  config::Backend backend;
  SharedEndpoints endpoints;
  std::shared_ptr<tls::BackendTls> tls;
  Health up;
  std::shared_ptr<Snapshot<Health>> published;
  std::vector<std::unique_ptr<Server>> servers;
};

HealthChecks::State::Server::Server(State& all, std::size_t own_index)
    : state(all),
      index(own_index),
      probe(all.loop, all.backend, own_index, all.tls.get(),
            [this](const std::string& failure) { on_checked(failure); }) {
  timer.open<&Server::check>(all.loop, *this);
}

void HealthChecks::State::Server::check() {
  began = state.loop.now();
  const auto known = state.endpoints->latest();
  if (known->at(index).empty()) {
    timer.start(std::min(state.backend.health.interval, kNoAddress));
    return;
  }
  probe.start(known->at(index));
}

void HealthChecks::State::Server::on_checked(const std::string& failure) {
  const config::Health& rules = state.backend.health;
  const bool good = failure.empty();
  const bool is_up = state.up[index].up;
  against = good == is_up ? 0 : against + 1;
  if (against >= (is_up ? rules.fall : rules.rise)) {
    against = 0;
    change(good, failure);
  }
  // From its beginning: slow checks do not stretch the interval.
  const uv::LoopTime next = began + rules.interval;
  timer.start(std::max(next - state.loop.now(), uv::LoopTime(1)));
}

void HealthChecks::State::Server::change(bool now_up, const std::string& why) {
  const config::Backend& settings = state.backend;
  if (now_up) {
    log::info("backend server is up",
              {{"backend", settings.name}, {"server", settings.servers[index].label()}});
  } else {
    log::warning(
        "backend server is down",
        {{"backend", settings.name}, {"server", settings.servers[index].label()}, {"reason", why}});
  }
  state.up[index].up = now_up;
  state.up[index].returns += now_up ? 1 : 0;
  state.published->publish(std::make_shared<const Health>(state.up));
}

HealthChecks::HealthChecks(uv::Loop& loop, const config::Backend& backend,
                           SharedEndpoints endpoints, std::shared_ptr<tls::BackendTls> tls)
    : state_(std::make_unique<State>(loop, backend, std::move(endpoints), std::move(tls))) {}

HealthChecks::~HealthChecks() = default;

void HealthChecks::start() {
  const auto count = static_cast<std::int64_t>(state_->servers.size());
  for (std::int64_t i = 0; i < count; ++i) {
    state_->servers[static_cast<std::size_t>(i)]->timer.start(state_->backend.health.interval * i /
                                                              count);
  }
}

SharedHealth HealthChecks::health() const {
  return state_->published;
}

}  // namespace usher::backend
