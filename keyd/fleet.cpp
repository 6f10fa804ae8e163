#include "keyd/fleet.h"

#include <algorithm>
#include <utility>

#include "proxy/keyring/ring_changes.h"

namespace usher::keyd {
namespace {

using namespace std::chrono_literals;
using keyring::KeyRing;
using keyring::KeyState;
using Time = BootClock::time_point;

// By then the PONG of a rivalled member is missing: one of ours was asked at once; one of another
// keyd is asked every 5 s and then reported.
constexpr auto kProbeMax = 5s;
constexpr auto kReportedProbeMax = 12s;
// An unknown member that another keyd heard so lately lives; longer ago it may have left since.
constexpr auto kReportFresh = 30s;
// A live one is heard every 5 s (PING); what was heard just before it left must not revive it, even
// if two hosts' clocks do not quite agree.
constexpr auto kAfterlife = 7s;

}  // namespace

bool Fleet::hello(const MemberId& id, Time now) {
  if (!seats_.contains(id)) {
    replace_older(id.node, now);
    if (!join(id, now)) {
      return false;
    }
  }
  seats_.at(id).connected = true;
  heard(id, now);
  return true;
}

// DESIGN §5 "Members": of another instance whose connection is closed nothing is to be expected.
void Fleet::replace_older(const std::string& node, Time now) {
  for (auto next = seats_.lower_bound({node, {}});
       next != seats_.end() && next->first.node == node;) {
    const auto older = next++;
    if (!older->second.connected) {
      leave(older, LeaveReason::kReplaced, now);
    } else {
      older->second.rivalled = now;
      tell(ProbeMember{older->first});
    }
  }
}

bool Fleet::join(const MemberId& id, Time now) {
  if (seats_.size() >= kMembersMax) {
    return false;
  }
  Seat& seat = seats_[id];
  seat.member.node = id.node;
  seat.member.instance = id.instance;
  seat.member.last_heard = now;
  ++revision_;
  departed_.erase(id);
  tell(MemberJoined{id});
  return true;
}

void Fleet::leave(std::map<MemberId, Seat>::iterator seat, LeaveReason reason, Time now) {
  const bool lacked_next = next_name_ && !seat->second.has_next;
  const bool pushed_out = reason == LeaveReason::kForgotten || reason == LeaveReason::kSilent ||
                          reason == LeaveReason::kBehind;
  if (lacked_next && pushed_out) {
    gone_without_next_.insert(seat->first.node);
  }
  tell(MemberLeft{seat->first, reason, lacked_next});
  if (departed_.size() < kDepartedMax) {
    departed_[seat->first] = now;
  }
  seats_.erase(seat);
  ++revision_;
}

bool Fleet::applied(const MemberId& id, KeyRing::Version version, const keyring::RingDigest& digest,
                    Time now) {
  if (!hello(id, now)) {  // it may have been dropped as silent or behind: it lives
    return true;
  }
  const bool believed = take_applied(seats_.at(id), version, digest, now);
  advance(now);
  return believed;
}

bool Fleet::take_applied(Seat& seat, KeyRing::Version version, const keyring::RingDigest& digest,
                         Time now) {
  const KeyRing::Version ours = ring_.version();
  if (version.term > ours.term + kAheadMax || version.version > ours.version + kAheadMax) {
    return false;
  }
  if (!seat.member.applied || version >= *seat.member.applied) {
    seat.member.applied = version;
    seat.member.applied_digest = digest;
  }
  if (version > ours || (version == ours && digest != digest_)) {
    seat.has_next = false;  // that other ring took its place; ours may have to wait before it rises
    rise_above(version, now);
  } else if (version == ours && next_name_) {
    seat.has_next = true;
    seat.member.next_pushed.reset();
  }
  return true;
}

void Fleet::heard(const MemberId& id, Time at) {
  const auto seat = seats_.find(id);
  if (seat == seats_.end()) {
    return;
  }
  Seat& of = seat->second;
  of.member.last_heard = std::max(of.member.last_heard, at);
  if (of.rivalled && at > *of.rivalled) {
    of.rivalled.reset();
    if (instances(id.node) > 1 && !undecided(id.node)) {
      tell(DuplicateNode{id.node});
    }
  }
}

std::ptrdiff_t Fleet::instances(const std::string& node) const {
  return std::ranges::count_if(seats_, [&](const auto& of) { return of.first.node == node; });
}

bool Fleet::undecided(const std::string& node) const {
  return std::ranges::any_of(
      seats_, [&](const auto& of) { return of.first.node == node && of.second.rivalled; });
}

void Fleet::closed(const MemberId& id, Time now) {
  const auto seat = seats_.find(id);
  if (seat == seats_.end()) {
    return;
  }
  seat->second.connected = false;
  if (seat->second.rivalled) {
    leave(seat, LeaveReason::kReplaced, now);
    advance(now);
  }
}

void Fleet::bye(const MemberId& id, Time now) {
  if (const auto seat = seats_.find(id); seat != seats_.end()) {
    leave(seat, LeaveReason::kBye, now);
    advance(now);
  }
}

void Fleet::pushed(const MemberId& id, Time now) {
  const auto seat = seats_.find(id);
  if (seat != seats_.end() && next_name_ && durable_ >= next_version_ && !seat->second.has_next &&
      !seat->second.member.next_pushed) {
    seat->second.member.next_pushed = now;
  }
}

void Fleet::reported(const Report& report, Time now) {
  const Member& member = report.member;
  const MemberId id{member.node, member.instance};
  if (report.gone) {
    bye(id, now);
    return;
  }
  if (!seats_.contains(id) && !join_reported(id, member.last_heard, now)) {
    return;
  }
  Seat& seat = seats_.at(id);
  heard(id, member.last_heard);
  if (member.next_pushed && next_name_ && *member.next_pushed >= next_since_ && !seat.has_next &&
      !seat.member.next_pushed) {
    seat.member.next_pushed = member.next_pushed;
  }
  if (member.applied) {
    (void)take_applied(seat, *member.applied, member.applied_digest, now);
  }
  advance(now);
}

// Another instance of its node may be its successor or its predecessor: who is not heard again is
// dropped. Until then both are waited for.
bool Fleet::join_reported(const MemberId& id, Time last_heard, Time now) {
  const auto departed = departed_.find(id);
  if (now - last_heard > kReportFresh ||
      (departed != departed_.end() && last_heard < departed->second + kAfterlife) ||
      !join(id, now)) {
    return false;
  }
  if (instances(id.node) > 1) {
    for (auto& [other, seat] : seats_) {
      if (other.node == id.node) {
        seat.rivalled = now;
      }
    }
  }
  return true;
}

std::vector<MemberId> Fleet::forget(const std::string& node, Time now) {
  std::vector<MemberId> forgotten;
  for (auto seat = seats_.lower_bound({node, {}});
       seat != seats_.end() && seat->first.node == node;) {
    const auto leaving = seat++;
    forgotten.push_back(leaving->first);
    leave(leaving, LeaveReason::kForgotten, now);
  }
  advance(now);
  return forgotten;
}

void Fleet::drop_silent(Time now) {
  for (auto next = seats_.begin(); next != seats_.end();) {
    const auto seat = next++;
    const Member& member = seat->second.member;
    if (is_replaced(*seat, now)) {
      leave(seat, LeaveReason::kReplaced, now);
    } else if (now - member.last_heard >= policy_.promote_hold_max) {
      leave(seat, LeaveReason::kSilent, now);
    } else if (member.next_pushed && now - *member.next_pushed >= policy_.promote_hold_max) {
      leave(seat, LeaveReason::kBehind, now);
    }
  }
  std::erase_if(departed_, [&](const auto& entry) { return now - entry.second > kReportFresh; });
}

// Not heard since another instance of its node came, which was.
bool Fleet::is_replaced(const std::pair<const MemberId, Seat>& of, Time now) const {
  const std::string& node = of.first.node;
  const Seat& seat = of.second;
  return seat.rivalled &&
         now - *seat.rivalled >= (seat.connected ? kProbeMax : kReportedProbeMax) &&
         std::ranges::any_of(seats_, [&](const auto& other) {
           return other.first.node == node && !other.second.rivalled;
         });
}

FleetState Fleet::state() const {
  FleetState state{ring_, {}, {}};
  state.members.reserve(seats_.size());
  for (const auto& [id, seat] : seats_) {
    state.members.push_back(seat.member);
  }
  for (const auto& [id, at] : departed_) {
    state.departed.push_back({id.node, id.instance, at});
  }
  return state;
}

bool Fleet::is_current(const Seat& seat) const {
  return seat.member.applied == ring_.version() && seat.member.applied_digest == digest_;
}

std::optional<Fleet::Held> Fleet::held() const {
  if (!next_name_) {
    return std::nullopt;
  }
  Held held{next_since_, keyring::find_key(ring_, KeyState::kNext)->key->epoch, {}};
  for (const auto& [id, seat] : seats_) {
    if (!seat.has_next && (held.waiting_for.empty() || held.waiting_for.back() != id.node)) {
      held.waiting_for.push_back(id.node);
    }
  }
  return held;
}

std::vector<Effect> Fleet::take_effects() {
  return std::exchange(effects_, {});
}

}  // namespace usher::keyd
