#include "proxy/server/rollout.h"

#include <utility>

#include "proxy/base/log.h"

namespace usher::server {
namespace {

// How long a start or reload waits for DNS before it goes on without: a dead resolver must not keep
// a site down whose other backends have literal addresses.
constexpr std::chrono::milliseconds kNamesWait = std::chrono::seconds(5);

}  // namespace

Rollout::Rollout(uv::Loop& loop, uv::Mailbox& main_mailbox,
                 std::vector<std::unique_ptr<Worker>>& workers, CellStore& cells,
                 SessionCaches& sessions)
    : main_mailbox_(main_mailbox), workers_(workers), cells_(cells), sessions_(sessions) {
  names_timer_.open<&Rollout::prepare_workers>(loop, *this);
}

void Rollout::begin(Candidate candidate, OnDone on_done) {
  CHECK(!running());
  candidate_ = std::move(candidate);
  on_done_ = std::move(on_done);
  failure_.clear();
  ++number_;
  unprepared_ = workers_.size();
  unanswered_ = candidate_.backends.size() + 1;  // one for this function: answers may come at once
  names_timer_.start(kNamesWait);
  for (const BackendWatch::Ptr& backend : candidate_.backends) {
    backend->start([this, number = number_] {
      if (number == number_) {  // a slow answer to an earlier rollout is none to this one
        on_first_answers();
      }
    });
  }
  on_first_answers();
}

void Rollout::abandon() {
  on_done_ = nullptr;
  names_timer_.stop();
  candidate_ = Candidate();
  for (const auto& worker : workers_) {
    worker->discard();
  }
}

void Rollout::close() {
  names_timer_.close();
}

void Rollout::on_first_answers() {
  if (unanswered_ > 0 && --unanswered_ == 0) {
    prepare_workers();
  }
}

void Rollout::prepare_workers() {
  if (unanswered_ > 0) {
    log::warning("going on although not every backend name is resolved yet");
  }
  unanswered_ = 0;  // later answers reach the groups by themselves
  names_timer_.stop();
  for (unsigned worker = 0; worker < workers_.size(); ++worker) {
    workers_[worker]->prepare(plan_for(worker), [this](Result<void> result) {
      main_mailbox_.post([this, result = std::move(result)] { on_prepared(result); });
    });
  }
}

WorkerPlan Rollout::plan_for(unsigned worker) const {
  WorkerPlan plan;
  plan.generation = candidate_.generation;
  if (const Generation::Redis& redis = plan.generation->redis; !redis.servers.empty()) {
    plan.redis = &sessions_.redis_cells(redis, worker);
  }
  for (const Generation::Listener& listener : candidate_.generation->listeners) {
    const std::string& name = listener.settings.name;
    const bool is_http = listener.settings.mode != config::Mode::kTcp;
    plan.listeners.push_back(
        {&cells_.listener(name, worker), is_http ? &cells_.http(name, worker) : nullptr});
  }
  for (std::size_t i = 0; i < candidate_.backends.size(); ++i) {
    const BackendWatch& backend = *candidate_.backends[i];
    plan.backends.push_back({cells_.backend(candidate_.generation->config.backends[i], worker),
                             backend.endpoints(), backend.health()});
  }
  return plan;
}

void Rollout::on_prepared(const Result<void>& result) {
  if (!running()) {
    return;  // abandoned
  }
  if (!result) {
    failure_ = result.error().message;
  }
  if (--unprepared_ > 0) {
    return;
  }
  const OnDone on_done = std::exchange(on_done_, nullptr);
  if (failure_.empty()) {
    commit();
    on_done(std::move(candidate_));
    return;
  }
  for (const auto& worker : workers_) {
    worker->discard();
  }
  candidate_ = Candidate();
  on_done(fail(failure_));
}

void Rollout::commit() {
  for (unsigned worker = 0; worker < workers_.size(); ++worker) {
    Worker::Sockets sockets;
    for (BoundListener& bound : candidate_.new_sockets) {
      sockets.emplace(bound.key, std::move(bound.per_worker[worker]));
    }
    workers_[worker]->commit(std::move(sockets));
  }
}

}  // namespace usher::server
