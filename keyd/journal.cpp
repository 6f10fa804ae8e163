#include "keyd/journal.h"

#include <fmt/format.h>

#include <chrono>
#include <string>
#include <string_view>

#include "proxy/base/bytes.h"
#include "proxy/base/log.h"

namespace usher::keyd {
namespace {

constexpr std::array<std::string_view, 4> kTriggers{"schedule", "manual", "revoke", "skipped"};
constexpr std::array<std::string_view, 5> kLeaveReasons{"bye", "forgotten", "replaced", "silent",
                                                        "behind"};

std::string text_of(keyring::KeyRing::Version version) {
  return std::to_string(version.term) + "/" + std::to_string(version.version);
}

}  // namespace

Journal::Journal(metrics::Registry& registry) : rows_(registry.group()) {
  for (std::size_t i = 0; i < kTriggers.size(); ++i) {
    rows_.add(metrics::kKeydRotations, {std::string(kTriggers[i])}, rotations_[i]);
  }
  rows_.add(metrics::kKeydPromotions, {"acked"}, acked_);
  rows_.add(metrics::kKeydPromotions, {"forced"}, forced_);
  rows_.add(metrics::kKeydRollbacks, {}, rollbacks_);
  rows_.add(metrics::kKeydDuplicateNodes, {}, duplicates_);
}

void Journal::note(const Effect& effect) {
  std::visit([this](const auto& what) { (*this)(what); }, effect);
}

void Journal::operator()(const Rotated& rotated) {
  const auto trigger = static_cast<std::size_t>(rotated.trigger);
  rotations_[trigger].add();
  if (rotated.trigger == RotationTrigger::kSkipped) {
    log::info("a due rotation is skipped", {{"why", rotated.detail}});
  } else {
    log::info("rotation", {{"trigger", kTriggers[trigger]}});
  }
}

void Journal::operator()(const Promoted& promoted) {
  if (!promoted.forced) {
    acked_.add();
    log::info("key promoted; all members have it", {{"epoch", promoted.epoch}});
    return;
  }
  forced_.add();
  if (promoted.without.empty()) {
    log::info("key promoted by force; no node lacked it", {{"epoch", promoted.epoch}});
  } else {
    log::warning(
        "key promoted by force; these nodes may meet tickets that they cannot open",
        {{"epoch", promoted.epoch}, {"nodes", fmt::to_string(fmt::join(promoted.without, ", "))}});
  }
}

void Journal::operator()(const PromotionHeld& held) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(held.since).count();
  log::warning("promotion held",
               {{"epoch", held.epoch},
                {"seconds", seconds},
                {"waiting_for", held.waiting_for.empty()
                                    ? "the store"
                                    : fmt::to_string(fmt::join(held.waiting_for, ", "))}});
}

void Journal::operator()(const MemberJoined& joined) {
  if (!lines_.spend(BootClock::now())) {
    return;
  }
  log::info("member joined", {{"node", joined.id.node}, {"instance", hex(joined.id.instance)}});
}

void Journal::operator()(const MemberLeft& left) {
  const bool lacks =
      left.lacked_next && left.reason != LeaveReason::kBye && left.reason != LeaveReason::kReplaced;
  if (!lacks && !lines_.spend(BootClock::now())) {
    return;
  }
  log::write(lacks ? log::Level::kWarning : log::Level::kInfo, "member left",
             {{"node", left.id.node},
              {"instance", hex(left.id.instance)},
              {"reason", kLeaveReasons[static_cast<std::size_t>(left.reason)]}});
}

void Journal::operator()(const DuplicateNode& duplicate) {
  duplicates_.add();
  if (!lines_.spend(BootClock::now())) {
    return;
  }
  log::warning("two proxies call themselves " + duplicate.node + "; give each its own process.node",
               {{"node", duplicate.node}});
}

void Journal::operator()(const RolledBack& rolled_back) {
  rollbacks_.add();
  log::warning("a subscriber holds a ring that is not ours; ours is made anew above it",
               {{"heard", text_of(rolled_back.heard)}, {"now", text_of(rolled_back.now)}});
}

void Journal::operator()(const RotationFailed& failed) {
  log::error("rotation failed; trying again", {{"error", failed.why}});
}

}  // namespace usher::keyd
