#pragma once

#include <optional>
#include <string>
#include <vector>

#include "proxy/base/clock.h"
#include "proxy/keyring/key_ring.h"
#include "proxy/keyring/ring_codec.h"
#include "proxy/push/frames.h"

namespace usher::keyd {

// A subscriber: a node and one start of its process (DESIGN §5 "Members"). It leaves only by BYE,
// `usherctl nodes forget`, replacement by its own next instance, or promote_hold_max.
struct Member {
  std::string node;
  push::Instance instance{};
  BootClock::time_point last_heard;
  // The highest ring that all its workers read, as it told this keyd or another.
  std::optional<keyring::KeyRing::Version> applied;
  // SHA-256 of the ring `applied` (ring_codec.h), as it told: an equal pair with another digest is
  // another ring. Stored and reported with `applied`; zero without one.
  keyring::RingDigest applied_digest{};
  // When the ring that holds the present `next` key first left for it; none: it has not.
  std::optional<BootClock::time_point> next_pushed;
};

// A member that left lately. Reports of other keyds from before must not revive it.
struct Departure {
  std::string node;
  push::Instance instance{};
  BootClock::time_point at;
};

// All that keyd must not lose.
struct FleetState {
  keyring::KeyRing ring;
  std::vector<Member> members;  // by node, then instance
  std::vector<Departure> departed{};
};

}  // namespace usher::keyd
