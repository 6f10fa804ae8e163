#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "keyd/fleet_state.h"
#include "proxy/base/result.h"

namespace usher::keyd {

// What a keyd that does not lead heard of a subscriber of its own.
struct Report {
  Member member;
  bool gone = false;  // it said BYE
};

// Where the fleet's state survives this process. With a file this keyd always leads; with Redis one
// of several does, by a lease with a fencing term. A state that was saved or read is durable: only
// such a ring may be pushed. Callbacks never run inside a member function. Thread: the loop's.
// Owner: Daemon; outlived by its events' targets.
class Store {
 public:
  struct Events {
    // This keyd rotates from now on, under `term` (higher than every term before). `state`: the
    // latest that was stored, or that this keyd remembers when the store came back older or empty;
    // nullopt: there never was one. The first save must have a ring of this term.
    std::function<void(std::optional<FleetState> state, std::uint64_t term)> on_leading;
    // Another keyd leads; also whenever it stored something newer. Its ring may be pushed from
    // here.
    std::function<void(std::optional<FleetState> state, const std::string& leader)> on_following;
    // The store has been out of reach for a lease time, or the lease was lost: push nothing, save
    // nothing, until one of the two above.
    std::function<void(const std::string& why)> on_lost;
    // While leading: what the other keyds heard of members; also again what was told before.
    std::function<void(std::vector<Report> reports)> on_reports;
  };
  using Done = std::function<void(Result<void>)>;

  virtual ~Store() = default;

  virtual void start(Events events) = 0;  // one of the first three follows
  // While leading, one at a time: `done` without an error when the state is durable. Before that
  // `done`, on_reports has told all that other keyds had recorded when the state became durable: so
  // a member that joined elsewhere and holds an older ring is known before a key of this one seals.
  virtual void save(const FleetState& state, Done done) = 0;
  // What this keyd heard of a member, for whoever leads; `done` without an error when it is
  // recorded: not before may a member that joined here be given a ring. With a file nobody needs
  // it: done at once.
  virtual void report(const Report& report, Done done) = 0;
  // Gives the lease back, so that a standby takes over at once; then `done`.
  virtual void stop(std::function<void()> done) = 0;
  virtual bool up() const = 0;  // usher_keyd_store_up
  // To be asked before each push. False from the moment the lease, or what was read while
  // following, is too old: a process that was stopped or starved learns it here first, and of
  // on_lost only when its loop gets to the timers.
  virtual bool may_push() const { return true; }

 protected:
  Store() = default;
};

}  // namespace usher::keyd
