#pragma once

#include <array>
#include <vector>

#include "keyd/effects.h"
#include "keyd/line_budget.h"
#include "proxy/metrics/cell.h"
#include "proxy/metrics/registry.h"

namespace usher::keyd {

// Tells what happens to the fleet: a log line and a count each. Thread: main. Owner: the server.
class Journal {
 public:
  explicit Journal(metrics::Registry& registry);

  void note(const Effect& effect);

 private:
  void operator()(const Rotated& rotated);
  void operator()(const Promoted& promoted);
  void operator()(const PromotionHeld& held);
  void operator()(const MemberJoined& joined);
  void operator()(const MemberLeft& left);
  void operator()(const DuplicateNode& duplicate);
  void operator()(const ProbeMember&) {}
  void operator()(const RolledBack& rolled_back);
  void operator()(const RotationFailed& failed);

  std::array<metrics::Cell, 4> rotations_;  // by RotationTrigger
  metrics::Cell acked_;
  metrics::Cell forced_;
  metrics::Cell rollbacks_;
  metrics::Cell duplicates_;
  LineBudget lines_;  // of members that come and go
  metrics::Registry::Group rows_;
};

}  // namespace usher::keyd
