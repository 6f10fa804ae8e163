#include "keyd/daemon.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "proxy/base/check.h"
#include "proxy/base/log.h"
#include "proxy/keyring/ring_changes.h"

namespace usher::keyd {
namespace {

using namespace std::chrono_literals;
using keyring::KeyRing;
using std::chrono::milliseconds;

constexpr milliseconds kTickMin{2};
constexpr milliseconds kTickMax{1000};
constexpr auto kSaveAgain = 1s;
// A process that was stopped so long first hears its subscribers, who come back within 5 s (the
// proxies' longest backoff), before it calls any silent.
constexpr auto kStalled = 5s;
constexpr auto kHearFirst = 10s;

const Refused kNoRoom{Refusal::kFull, "the fleet has no room for another member"};

MemberId id_of(const Member& member) {
  return {member.node, member.instance};
}

Member member_of(const MemberId& id, const Publisher::Subscriber& subscriber) {
  Member member{id.node, id.instance, subscriber.last_heard, {}, {}, {}};
  if (const auto& applied = subscriber.applied) {
    member.applied = applied->version;
    member.applied_digest = applied->digest;
  }
  return member;
}

bool has_ring(const std::optional<FleetState>& state) {
  return state && state->ring.name_key() != nullptr;
}

std::optional<keyring::KeyName> next_name(const KeyRing& ring) {
  const KeyRing::Entry* next = keyring::find_key(ring, keyring::KeyState::kNext);
  return next == nullptr ? std::nullopt : std::optional(next->key->name);
}

}  // namespace

Daemon::Daemon(uv::Loop& loop, std::unique_ptr<Store> store, FleetPolicy policy, Journal& journal)
    : loop_(loop),
      store_(std::move(store)),
      policy_(policy),
      journal_(journal),
      publisher_(loop, *this),
      ticked_(BootClock::now()) {
  publisher_.hear_every(hear_every());
  timer_.open<&Daemon::on_timer>(loop, *this);
}

Daemon::~Daemon() = default;

void Daemon::start() {
  publisher_.serve();
  store_->start({[this](auto state, auto term) { on_leading(std::move(state), term); },
                 [this](auto state, const auto& leader) { on_following(std::move(state), leader); },
                 [this](const auto& why) { on_lost(why); },
                 [this](const auto& reports) { on_reports(reports); }});
  arm();
}

void Daemon::stop(std::function<void()> on_stopped) {
  change_role(Role::kStopped, "stopping");
  timer_.close();
  when_stopped_ = std::move(on_stopped);
  stopping_ = 2;
  const auto ended = [this] {
    if (--stopping_ == 0) {
      when_stopped_();
    }
  };
  publisher_.close(ended);
  store_->stop(ended);
}

void Daemon::set_policy(FleetPolicy policy) {
  policy_ = policy;
  publisher_.hear_every(hear_every());
  if (fleet_) {
    fleet_->set_policy(policy, BootClock::now());
    step();
  }
}

// So often that no live subscriber is silent for promote_hold_max, whoever of us leads.
milliseconds Daemon::hear_every() const {
  return policy_.promote_hold_max / 4;
}

// --- what the store says

void Daemon::change_role(Role role, const std::string& trouble) {
  role_ = role;
  trouble_ = trouble;
  ++reign_;
  recorded_.clear();
  saving_ = false;
  saved_revision_ = 0;
  save_error_.clear();
  save_again_at_ = {};
  fleet_.reset();
  followed_.reset();
  next_pushed_.clear();
  publisher_.withhold();
  fail_waiters({503, "this usher-keyd does not lead any more; ask again"});
}

void Daemon::on_leading(std::optional<FleetState> state, std::uint64_t term) {
  if (role_ == Role::kStopped) {
    return;
  }
  change_role(Role::kLeading, {});
  leader_.clear();
  log::info("leading", {{"term", term}});
  const auto now = BootClock::now();
  auto fleet = Fleet::lead(std::move(state), term, policy_, now, keyring::private_random());
  CHECK(fleet);  // without randomness no key can ever be made
  fleet_ = *std::move(fleet);
  for (const MemberId& id : std::exchange(untold_byes_, {})) {
    fleet_->bye(id, now);
  }
  for (const auto& [id, subscriber] : publisher_.subscribers()) {
    if (!fleet_->hello(id, now)) {
      publisher_.refuse(id, kNoRoom);
    } else if (subscriber.applied) {
      take_applied(id, *subscriber.applied);
    }
  }
  step();
}

void Daemon::on_following(std::optional<FleetState> state, const std::string& leader) {
  if (role_ == Role::kStopped) {
    return;
  }
  const bool anew = role_ != Role::kFollowing || leader_ != leader;
  if (anew) {
    change_role(Role::kFollowing, {});
    leader_ = leader;
    log::info("following", {{"leader", leader}});
  }
  followed_ = std::move(state);
  if (has_ring(followed_)) {
    take_ring(followed_->ring);
  }
  if (anew) {
    for (const MemberId& id : std::exchange(untold_byes_, {})) {
      report_gone(id);
    }
    for (const auto& [id, subscriber] : publisher_.subscribers()) {
      report(id);
    }
  }
}

void Daemon::on_lost(const std::string& why) {
  if (role_ == Role::kStopped) {
    return;
  }
  if (role_ != Role::kLost || trouble_ != why) {
    log::error("the store cannot be relied upon; nothing is rotated or pushed", {{"why", why}});
  }
  change_role(Role::kLost, why);
}

void Daemon::on_reports(const std::vector<Report>& reports) {
  if (!fleet_) {
    return;
  }
  const auto now = BootClock::now();
  for (const Report& report : reports) {
    fleet_->reported(report, now);
  }
  step();
}

// --- what subscribers say

void Daemon::on_hello(const MemberId& id) {
  untold_byes_.erase(id);
  if (fleet_) {
    if (!fleet_->hello(id, BootClock::now())) {
      publisher_.refuse(id, kNoRoom);
      return;
    }
    step();
    if (recorded_.contains(id)) {  // it was a member already: there is nothing to save
      publisher_.admit(id);
    }
  } else if (role_ == Role::kFollowing) {
    report(id);
  }
}

void Daemon::on_applied(const MemberId& id, const push::Applied& applied) {
  if (fleet_) {
    take_applied(id, applied);
    step();
  } else if (role_ == Role::kFollowing) {
    if (ring_ && applied.version >= ring_->version()) {
      next_pushed_.erase(id);
    }
    report(id);
  }
}

void Daemon::take_applied(const MemberId& id, const push::Applied& applied) {
  if (!fleet_->applied(id, applied.version, applied.digest, BootClock::now())) {
    publisher_.refuse(
        id, {Refusal::kAhead, "claims ring " + std::to_string(applied.version.term) + "/" +
                                  std::to_string(applied.version.version) +
                                  ", which is further ahead than a lost write or a restored backup "
                                  "explains; restart that proxy"});
  }
}

void Daemon::on_pushed(const MemberId& id) {
  const auto now = BootClock::now();
  if (fleet_) {
    fleet_->pushed(id, now);
  } else if (next_name(*ring_)) {
    next_pushed_.emplace(id, now);
  }
}

void Daemon::on_bye(const MemberId& id) {
  if (fleet_) {
    fleet_->bye(id, BootClock::now());
    step();
  } else if (role_ == Role::kFollowing) {
    next_pushed_.erase(id);
    report_gone(id);
  } else if (untold_byes_.size() < kMembersMax) {
    untold_byes_.insert(id);
  }
}

void Daemon::report_gone(const MemberId& id) {
  store_->report({{id.node, id.instance, BootClock::now(), {}, {}, {}}, true}, [](const auto&) {});
}

void Daemon::on_closed(const MemberId& id) {
  if (fleet_) {
    fleet_->closed(id, BootClock::now());
    step();
  }
}

bool Daemon::may_push() {
  return (role_ == Role::kLeading || role_ == Role::kFollowing) && store_->may_push();
}

// What this keyd knows of a subscriber of its own, for whoever leads. Not before it is recorded may
// the subscriber be given a ring.
void Daemon::report(const MemberId& id) {
  const auto subscriber = publisher_.subscriber(id);
  if (!subscriber) {
    return;
  }
  Member member = member_of(id, *subscriber);
  if (const auto pushed = next_pushed_.find(id); pushed != next_pushed_.end()) {
    member.next_pushed = pushed->second;
  }
  Store::Done done = [](const Result<void>&) {};
  if (!subscriber->admitted) {
    done = [this, id, reign = reign_](const Result<void>& recorded) {
      if (recorded && reign == reign_) {
        publisher_.admit(id);
      }
    };
  }
  store_->report({std::move(member), false}, std::move(done));
}

// --- the leader's steps

void Daemon::on_timer() {
  const auto now = BootClock::now();
  if (now - std::exchange(ticked_, now) > kStalled) {
    log::warning("this process stood still; subscribers are heard before anything is due");
    judges_at_ = now + kHearFirst;
  }
  if (fleet_) {
    for (const auto& [id, subscriber] : publisher_.subscribers()) {
      fleet_->heard(id, subscriber.last_heard);
    }
    if (now >= judges_at_) {
      fleet_->tick(now);
    }
  } else if (role_ == Role::kFollowing) {
    for (const auto& [id, subscriber] : publisher_.subscribers()) {
      report(id);
    }
  }
  publisher_.tick();
  step();
}

// After anything that may have changed the fleet.
void Daemon::step() {
  if (fleet_) {
    for (const Effect& effect : fleet_->take_effects()) {
      carry_out(effect);
    }
    if (!saving_ && fleet_->revision() != saved_revision_ && BootClock::now() >= save_again_at_) {
      save();
    }
    settle();
  }
  arm();
}

void Daemon::carry_out(const Effect& effect) {
  journal_.note(effect);
  if (const auto* probe = std::get_if<ProbeMember>(&effect)) {
    publisher_.probe(probe->id);
  } else if (const auto* left = std::get_if<MemberLeft>(&effect)) {
    recorded_.erase(left->id);
    publisher_.drop(left->id);  // it is no member: if it lives it comes back as one
  }
}

void Daemon::arm() {
  if (role_ == Role::kStopped) {
    return;
  }
  milliseconds wait = std::min(kTickMax, hear_every());
  if (fleet_) {
    const auto due =
        std::chrono::ceil<milliseconds>(std::max(fleet_->due(), judges_at_) - BootClock::now());
    wait = std::clamp(due, kTickMin, wait);
  }
  timer_.start(wait);
}

void Daemon::save() {
  saving_ = true;
  const std::uint64_t revision = fleet_->revision();
  const auto state = std::make_shared<const FleetState>(fleet_->state());
  store_->save(*state, [this, revision, state, reign = reign_](const Result<void>& result) {
    if (reign == reign_) {
      on_saved(revision, *state, result);
    }
  });
}

void Daemon::on_saved(std::uint64_t revision, const FleetState& state, const Result<void>& result) {
  saving_ = false;
  if (!result) {
    if (save_error_ != result.error().message) {
      log::error("the fleet's state could not be saved; nothing new is pushed until it is",
                 {{"error", result.error().message}});
    }
    save_error_ = result.error().message;
    save_again_at_ = BootClock::now() + kSaveAgain;
    fail_waiters({503, "not durable yet, tried again every second: " + save_error_});
    return;
  }
  if (!std::exchange(save_error_, {}).empty()) {
    log::info("the fleet's state is saved again");
  }
  saved_revision_ = revision;
  fleet_->saved(state.ring.version(), BootClock::now());
  take_ring(state.ring);
  recorded_.clear();
  for (const Member& member : state.members) {
    const MemberId id = id_of(member);
    if (fleet_->members().contains(id)) {  // it has not left since
      recorded_.insert(id);
      publisher_.admit(id);
    }
  }
  step();
}

// A durable ring.
void Daemon::take_ring(const KeyRing& ring) {
  if (!ring_ || next_name(*ring_) != next_name(ring)) {
    next_pushed_.clear();
  }
  ring_ = ring;
  publisher_.publish(ring);
}

// --- what operators see

std::optional<Fleet::Held> Daemon::held() const {
  return fleet_ ? fleet_->held() : std::nullopt;
}

std::vector<Daemon::Seen> Daemon::members() const {
  std::vector<Seen> all;
  if (fleet_) {
    for (const auto& [id, seat] : fleet_->members()) {
      all.push_back({seat.member, fleet_->is_current(seat), seat.connected});
    }
    return all;
  }
  std::map<MemberId, Seen> seen;
  for (const Member& member : followed_ ? followed_->members : std::vector<Member>{}) {
    seen[id_of(member)].member = member;
  }
  for (const auto& [id, subscriber] : publisher_.subscribers()) {
    seen[id] = {member_of(id, subscriber), false, true};
  }
  const auto digest = ring_ ? keyring::digest_of(*ring_) : keyring::RingDigest{};
  for (auto& [id, one] : seen) {
    one.current =
        ring_ && one.member.applied == ring_->version() && one.member.applied_digest == digest;
    all.push_back(std::move(one));
  }
  return all;
}

}  // namespace usher::keyd
