#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "proxy/keyring/key_ring.h"
#include "proxy/push/frames.h"

// What a step of the fleet (fleet.h) wants done, logged or counted besides its new state.
namespace usher::keyd {

// One subscriber: a node and one start of its process.
struct MemberId {
  std::string node;
  push::Instance instance{};
  auto operator<=>(const MemberId&) const = default;
};

enum class RotationTrigger : std::uint8_t { kSchedule, kManual, kRevoke, kSkipped };
enum class LeaveReason : std::uint8_t {
  kBye,
  kForgotten,  // usherctl nodes forget
  kReplaced,   // by a newer instance of its node
  kSilent,     // not heard for promote_hold_max
  kBehind,     // had the next key for promote_hold_max and did not apply it
};

// A key was created (or, for kRevoke, removed), or a due rotation was skipped.
struct Rotated {
  RotationTrigger trigger;
  std::string detail;  // kSkipped: why
};
struct Promoted {
  std::uint32_t epoch = 0;
  bool forced = false;
  std::vector<std::string> without;  // forced: nodes that may not hold the key yet
};
// The next key waits for these nodes; told after a second and then now and then.
struct PromotionHeld {
  std::uint32_t epoch = 0;
  std::chrono::nanoseconds since{0};
  std::vector<std::string> waiting_for;
};
struct MemberJoined {
  MemberId id;
};
struct MemberLeft {
  MemberId id;
  LeaveReason reason;
  bool lacked_next = false;  // so the promotion that it held is forced
};
// Two live processes have the same node name.
struct DuplicateNode {
  std::string node;
};
// Whether this connected member lives is to be found out now, by a PING.
struct ProbeMember {
  MemberId id;
};
// Somebody holds a ring that was not ours: ours was made anew above it.
struct RolledBack {
  keyring::KeyRing::Version heard;
  keyring::KeyRing::Version now;
};
struct RotationFailed {
  std::string why;
};

using Effect = std::variant<Rotated, Promoted, PromotionHeld, MemberJoined, MemberLeft,
                            DuplicateNode, ProbeMember, RolledBack, RotationFailed>;

}  // namespace usher::keyd
