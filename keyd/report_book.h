#pragma once

#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "keyd/store.h"
#include "proxy/base/clock.h"

namespace usher::keyd {

// What this keyd heard of members while another led, to be written as a whole. A BYE and what was
// not confirmed for long stay for kKept, so that a leader that comes later hears of them too.
// Pure. Thread: one. Owner: RedisStore.
class ReportBook {
 public:
  static constexpr std::chrono::hours kKept{1};

  // kNow: it says something new, a member or a ring may wait for it. kSoon: only that the member
  // still lives. kFull: of more members than a fleet has.
  enum class Urgency { kNow, kSoon, kFull };
  Urgency add(const Report& report);

  std::vector<Report> current(BootClock::time_point now);  // drops what is too old
  bool empty() const { return reports_.empty(); }
  void clear() { reports_.clear(); }

 private:
  std::map<std::pair<std::string, push::Instance>, Report> reports_;
};

}  // namespace usher::keyd
