#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "keyd/effects.h"
#include "keyd/fleet_state.h"
#include "keyd/store.h"
#include "proxy/keyring/key_file.h"
#include "proxy/keyring/rotation.h"

namespace usher::keyd {

struct FleetPolicy {
  keyring::AgePolicy ages;
  std::chrono::milliseconds every{0};
  std::chrono::milliseconds promote_hold_max{0};
};

// More subscribers than a fleet has; bounds what allowed peers can make keyd remember.
inline constexpr std::size_t kMembersMax = 4096;
// Members whose leaving is remembered; beyond, an old report may make one a member for some
// seconds.
inline constexpr std::size_t kDepartedMax = 1024;
// How far above ours a ring may be to be believed (DESIGN §5): terms, and versions.
inline constexpr std::uint64_t kAheadMax = 1 << 20;

// The rotation of a fleet whose keyd leads: ring × members × event × now × randomness → ring,
// members and effects. Pure: no I/O, no clock. What it holds is wanted, not yet durable: the daemon
// saves state() whenever revision() has changed, says saved() and only then pushes. A key seals
// only when every member has applied a durable ring that held it as `next`; forced promotions are
// told as such. Thread: one. Owner: the daemon, while it leads.
class Fleet {
 public:
  // Takes over under `term`, which is in the ring from now on. No state: the first ring. All
  // members are kept and given promote_hold_max from now on to be heard. Fails without randomness.
  static Result<Fleet> lead(std::optional<FleetState> state, std::uint64_t term, FleetPolicy policy,
                            BootClock::time_point now, keyring::RandomSource random);

  // From subscribers of this keyd. hello: false when there are too many members.
  bool hello(const MemberId& id, BootClock::time_point now);
  // All workers read that ring. False: it is further ahead than can be believed.
  bool applied(const MemberId& id, keyring::KeyRing::Version version,
               const keyring::RingDigest& digest, BootClock::time_point now);
  void heard(const MemberId& id, BootClock::time_point at);
  void closed(const MemberId& id, BootClock::time_point now);  // its connection
  void bye(const MemberId& id, BootClock::time_point now);
  void pushed(const MemberId& id, BootClock::time_point now);  // the last saved ring left for it
  // From subscribers of other keyds.
  void reported(const Report& report, BootClock::time_point now);

  // state() of that ring version is durable, and reports from before that have been told.
  void saved(keyring::KeyRing::Version version, BootClock::time_point now);
  // Expiry, silent members, due rotations. When to call again at the latest: due().
  void tick(BootClock::time_point now);
  BootClock::time_point due() const;
  void set_policy(FleetPolicy policy, BootClock::time_point now);

  // The operator's hand. rotate: creates `next` unless there is one already; `at_once` promotes it
  // without waiting. Errors say what was expected, for a person.
  Result<void> rotate(bool at_once, BootClock::time_point now);
  Result<void> revoke(const keyring::KeyName& name, BootClock::time_point now, UnixSeconds wall);
  // The instances that were forgotten; empty: there was no such node.
  std::vector<MemberId> forget(const std::string& node, BootClock::time_point now);
  // Returns how many keys came in. `usher` replaces the whole ring, its current key becomes `next`;
  // other formats add keys that only open.
  Result<std::size_t> import_keys(const keyring::KeyRing& keys, keyring::KeyFileFormat format,
                                  bool replace, BootClock::time_point now);

  const keyring::KeyRing& ring() const { return ring_; }
  FleetState state() const;
  std::uint64_t revision() const { return revision_; }
  std::vector<Effect> take_effects();

  // What operators may see.
  struct Held {
    BootClock::time_point since;
    std::uint32_t epoch = 0;
    std::vector<std::string> waiting_for;  // nodes, each once; empty: not durable yet
  };
  std::optional<Held> held() const;  // while there is a next key
  struct Seat {
    Member member;
    bool connected = false;  // to this keyd
    bool has_next = false;   // it has applied a ring that holds the present `next`
    // When another instance of its node came while this one seemed to live: heard since, they are
    // two proxies; silent or closed, it is replaced.
    std::optional<BootClock::time_point> rivalled;
  };
  const std::map<MemberId, Seat>& members() const { return seats_; }
  bool is_current(const Seat& seat) const;  // has applied the present ring

 private:
  Fleet(FleetPolicy policy, keyring::RandomSource random);

  void take_over(std::vector<Member> members, const std::vector<Departure>& departed,
                 BootClock::time_point now);
  bool join(const MemberId& id, BootClock::time_point now);
  bool join_reported(const MemberId& id, BootClock::time_point last_heard,
                     BootClock::time_point now);
  void replace_older(const std::string& node, BootClock::time_point now);
  std::ptrdiff_t instances(const std::string& node) const;
  bool undecided(const std::string& node) const;
  bool is_replaced(const std::pair<const MemberId, Seat>& of, BootClock::time_point now) const;
  void leave(std::map<MemberId, Seat>::iterator seat, LeaveReason reason,
             BootClock::time_point now);
  bool take_applied(Seat& seat, keyring::KeyRing::Version version,
                    const keyring::RingDigest& digest, BootClock::time_point now);
  void drop_silent(BootClock::time_point now);
  void rotate_when_due(BootClock::time_point now);
  void tell_held(BootClock::time_point now);
  void rise_above(keyring::KeyRing::Version heard, BootClock::time_point now);
  void advance(BootClock::time_point now);
  Result<void> create_next(RotationTrigger trigger, BootClock::time_point now);
  void promote(bool at_once, BootClock::time_point now);
  void take_ring(keyring::KeyRing ring, BootClock::time_point now);
  void tell(Effect effect) { effects_.push_back(std::move(effect)); }

  FleetPolicy policy_;
  keyring::RandomSource random_;
  keyring::KeyRing ring_;
  keyring::RingDigest digest_{};  // of ring_
  std::map<MemberId, Seat> seats_;
  std::map<MemberId, BootClock::time_point> departed_;  // so that old reports revive nobody
  std::uint64_t revision_ = 0;
  keyring::KeyRing::Version durable_;
  BootClock::time_point rotation_due_;
  std::optional<keyring::KeyName> next_name_;  // the present `next`
  BootClock::time_point next_since_;           // it is there
  keyring::KeyRing::Version next_version_;     // the first ring that held it
  std::set<std::string> gone_without_next_;    // their leaving makes the promotion a forced one
  BootClock::time_point tell_held_at_;
  std::optional<keyring::KeyRing::Version> heard_above_;  // not risen above yet
  BootClock::time_point may_rise_at_;
  std::vector<Effect> effects_;
};

}  // namespace usher::keyd
