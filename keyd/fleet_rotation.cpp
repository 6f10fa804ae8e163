// The ring's part of the fleet: creating, holding, promoting, expiring, rising above others.
#include <algorithm>
#include <utility>

#include "keyd/fleet.h"
#include "keyd/ring_import.h"
#include "proxy/base/check.h"
#include "proxy/keyring/ring_changes.h"

namespace usher::keyd {
namespace {

using namespace std::chrono_literals;
using keyring::find_key;
using keyring::KeyRing;
using keyring::KeyState;
using Time = BootClock::time_point;

// A promotion that waits longer is told, and told again so often.
constexpr auto kHoldIsTold = 1s;
constexpr auto kHoldIsToldAgain = 60s;
// A subscriber that always claims to be ahead costs no more than so many rings.
constexpr auto kRiseEvery = 1s;
// After the random generator failed.
constexpr auto kRetryRotation = 1s;

// When the newest key that seals or will seal was made; the zero when there is none.
Time newest_created(const KeyRing& ring) {
  Time newest{};
  for (const KeyRing::Entry& entry : ring.entries()) {
    if (entry.state != KeyState::kPrevious) {
      newest = std::max(newest, entry.key->created);
    }
  }
  return newest;
}

}  // namespace

Fleet::Fleet(FleetPolicy policy, keyring::RandomSource random)
    : policy_(policy), random_(std::move(random)) {}

Result<Fleet> Fleet::lead(std::optional<FleetState> state, std::uint64_t term, FleetPolicy policy,
                          Time now, keyring::RandomSource random) {
  Fleet fleet(policy, std::move(random));
  KeyRing ring;
  if (state && state->ring.name_key()) {
    const KeyRing::Version stored = state->ring.version();
    ring = keyring::with_version(keyring::with_policy(state->ring, policy.ages),
                                 {std::max(term, stored.term), stored.version + 1});
  } else {
    auto first = keyring::first_ring(now, policy.ages, fleet.random_);
    if (!first) {
      return Unexpected(std::move(first).error());
    }
    ring = keyring::with_version(*first, {term, 1});
  }
  fleet.take_ring(keyring::expire(ring, now), now);
  fleet.rotation_due_ = newest_created(fleet.ring_) + policy.every;
  if (fleet.next_name_) {  // a promotion of the term before goes on; nothing was skipped
    fleet.rotation_due_ = std::max(fleet.rotation_due_, now + policy.every);
  }
  if (state) {
    fleet.take_over(std::move(state->members), state->departed, now);
  }
  return fleet;
}

void Fleet::take_over(std::vector<Member> members, const std::vector<Departure>& departed,
                      Time now) {
  for (const Departure& departure : departed) {
    departed_[{departure.node, departure.instance}] = departure.at;
  }
  for (Member& member : members) {
    member.last_heard = std::max(member.last_heard, now);
    member.next_pushed.reset();
    const MemberId id{member.node, member.instance};
    seats_[id].member = std::move(member);
  }
  // Of several instances of a node one may be what a dead process left.
  for (auto& [id, seat] : seats_) {
    if (instances(id.node) > 1) {
      seat.rivalled = now;
    }
  }
}

void Fleet::take_ring(KeyRing ring, Time now) {
  ring_ = std::move(ring);
  digest_ = keyring::digest_of(ring_);
  ++revision_;
  const KeyRing::Entry* next = find_key(ring_, KeyState::kNext);
  const auto name = next == nullptr ? std::nullopt : std::optional(next->key->name);
  if (name == next_name_) {
    return;
  }
  next_name_ = name;
  next_since_ = now;
  next_version_ = ring_.version();
  tell_held_at_ = now + kHoldIsTold;
  gone_without_next_.clear();
  for (auto& [id, seat] : seats_) {
    seat.has_next = false;
    seat.member.next_pushed.reset();
  }
}

void Fleet::saved(KeyRing::Version version, Time now) {
  durable_ = version;
  advance(now);
}

// Only a durable ring was pushed, and only then all reports from before it are known: so members
// that hold older rings are, too.
void Fleet::advance(Time now) {
  if (next_name_ && durable_ == ring_.version() &&
      std::ranges::all_of(seats_, [](const auto& of) { return of.second.has_next; })) {
    promote(false, now);
  }
}

void Fleet::promote(bool at_once, Time now) {
  Held waiting = *held();
  Promoted what{waiting.epoch, at_once || !gone_without_next_.empty(), {}};
  if (what.forced) {
    gone_without_next_.insert(waiting.waiting_for.begin(), waiting.waiting_for.end());
    what.without.assign(gone_without_next_.begin(), gone_without_next_.end());
  }
  auto promoted = keyring::promote(ring_);
  CHECK(promoted);  // there is a next key
  take_ring(*std::move(promoted), now);
  tell(std::move(what));
}

Result<void> Fleet::create_next(RotationTrigger trigger, Time now) {
  auto with_next = keyring::create_next(ring_, now, random_);
  if (!with_next) {
    return Unexpected(std::move(with_next).error());
  }
  take_ring(*std::move(with_next), now);
  rotation_due_ = now + policy_.every;
  tell(Rotated{trigger, {}});
  return {};
}

Result<void> Fleet::rotate(bool at_once, Time now) {
  if (!next_name_) {
    if (auto created = create_next(RotationTrigger::kManual, now); !created) {
      return created;
    }
  }
  if (at_once) {
    promote(true, now);
  }
  return {};
}

Result<void> Fleet::revoke(const keyring::KeyName& name, Time now, UnixSeconds wall) {
  const KeyRing::Entry* entry = find_key(ring_, name);
  if (entry == nullptr) {
    return fail("there is no such key");
  }
  const KeyRing before = ring_;
  const bool sealed = entry->state == KeyState::kCurrent;
  ring_ = keyring::without_key(ring_, name, wall);  // so that a full ring has room for a next
  if (sealed && !next_name_) {
    if (auto next = keyring::create_next(ring_, now, random_); next) {
      ring_ = *std::move(next);
      rotation_due_ = now + policy_.every;
    } else {
      ring_ = before;
      return Unexpected(std::move(next).error());
    }
  }
  take_ring(KeyRing(ring_), now);
  tell(Rotated{RotationTrigger::kRevoke, {}});
  if (sealed) {
    promote(true, now);
  }
  advance(now);
  return {};
}

Result<std::size_t> Fleet::import_keys(const KeyRing& keys, keyring::KeyFileFormat format,
                                       bool replace, Time now) {
  auto imported = with_imported(ring_, keys, format, replace);
  if (!imported) {
    return Unexpected(std::move(imported).error());
  }
  const auto next_before = next_name_;
  take_ring(keyring::expire(*imported, now), now);
  if (next_name_ && next_name_ != next_before) {
    tell(Rotated{RotationTrigger::kManual, {}});
  }
  return keys.entries().size();
}

void Fleet::rise_above(KeyRing::Version heard, Time now) {
  if (now < may_rise_at_) {
    heard_above_ = std::max(heard_above_.value_or(heard), heard);
    return;
  }
  heard_above_.reset();
  const KeyRing::Version ours = ring_.version();
  if (heard < ours) {
    return;  // risen since
  }
  may_rise_at_ = now + kRiseEvery;
  const KeyRing::Version risen = keyring::above(ours, heard);
  // Who adopted that other ring has lost our next key with it.
  for (auto& [id, seat] : seats_) {
    seat.has_next = false;
  }
  take_ring(keyring::with_version(ring_, risen), now);
  tell(RolledBack{heard, risen});
}

void Fleet::tick(Time now) {
  if (KeyRing left = keyring::expire(ring_, now); left.version() != ring_.version()) {
    take_ring(std::move(left), now);
  }
  drop_silent(now);
  if (heard_above_ && now >= may_rise_at_) {
    rise_above(*heard_above_, now);
  }
  advance(now);
  rotate_when_due(now);
  tell_held(now);
}

BootClock::time_point Fleet::due() const {
  Time due = rotation_due_;
  for (const KeyRing::Entry& entry : ring_.entries()) {
    if (const auto keep = ring_.policy().open_max_age) {
      due = std::min(due, entry.key->created + *keep);
    }
  }
  return heard_above_ ? std::min(due, may_rise_at_) : due;
}

void Fleet::rotate_when_due(Time now) {
  const bool seals = find_key(ring_, KeyState::kCurrent) != nullptr;
  if (now < rotation_due_ && (seals || next_name_)) {
    return;
  }
  const bool full = ring_.entries().size() >= keyring::kMaxKeys;
  if (next_name_ || full) {
    tell(Rotated{RotationTrigger::kSkipped, full ? "the ring is full" : "a promotion is held"});
    rotation_due_ += policy_.every;
    if (rotation_due_ <= now) {
      rotation_due_ = now + policy_.every;
    }
  } else if (auto created = create_next(RotationTrigger::kSchedule, now); !created) {
    tell(RotationFailed{created.error().message});
    rotation_due_ = now + kRetryRotation;
  }
}

void Fleet::tell_held(Time now) {
  if (!next_name_ || now < tell_held_at_) {
    return;
  }
  Held what = *held();
  tell(PromotionHeld{what.epoch, now - what.since, std::move(what.waiting_for)});
  tell_held_at_ = now + kHoldIsToldAgain;
}

void Fleet::set_policy(FleetPolicy policy, Time now) {
  if (policy.every != policy_.every) {
    rotation_due_ = newest_created(ring_) + policy.every;
  }
  policy_ = policy;
  if (ring_.policy() != policy.ages) {
    take_ring(keyring::with_policy(ring_, policy.ages), now);
  }
}

}  // namespace usher::keyd
