#include "keyd/report_book.h"

#include "keyd/state_codec.h"

namespace usher::keyd {
namespace {

bool says_the_same(const Report& a, const Report& b) {
  return a.gone == b.gone && a.member.applied == b.member.applied &&
         a.member.applied_digest == b.member.applied_digest &&
         a.member.next_pushed.has_value() == b.member.next_pushed.has_value();
}

}  // namespace

ReportBook::Urgency ReportBook::add(const Report& report) {
  const std::pair key{report.member.node, report.member.instance};
  const auto known = reports_.find(key);
  if (known == reports_.end() && reports_.size() >= kStoredMembersMax) {
    return Urgency::kFull;
  }
  const bool same = known != reports_.end() && says_the_same(known->second, report);
  reports_.insert_or_assign(key, report);
  return same ? Urgency::kSoon : Urgency::kNow;
}

std::vector<Report> ReportBook::current(BootClock::time_point now) {
  std::erase_if(reports_,
                [now](const auto& entry) { return now - entry.second.member.last_heard > kKept; });
  std::vector<Report> all;
  for (const auto& [key, report] : reports_) {
    all.push_back(report);
  }
  return all;
}

}  // namespace usher::keyd
