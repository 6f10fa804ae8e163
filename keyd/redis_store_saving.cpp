#include <openssl/rand.h>

#include <array>
#include <utility>

#include "keyd/redis_store.h"
#include "keyd/sealed_state.h"
#include "proxy/base/bytes.h"
#include "proxy/base/check.h"
#include "proxy/base/log.h"

// The part of RedisStore that writes: the leader's state, a standby's reports.
namespace usher::keyd {
namespace {

// How long a report that says only "still there" may wait for others to be written with it.
constexpr std::chrono::milliseconds kReportLatest{250};
// No id that the store has: the next look finds that the reports must be written again.
constexpr std::string_view kUnconfirmed = "?";

}  // namespace

void RedisStore::save(const FleetState& state, Done done) {
  if (role_ != Role::kLeading || !may_push()) {
    soon([done = std::move(done)] { done(fail("this keyd does not lead")); });
    return;
  }
  CHECK(next_save_ == nullptr);  // one at a time
  auto save = std::make_unique<Save>(Save{state, std::move(done), ""});
  if (saving_ != nullptr) {  // what was written again from memory
    next_save_ = std::move(save);
  } else {
    send_save(std::move(save));
  }
}

void RedisStore::send_save(std::unique_ptr<Save> save) {
  CHECK(saving_ == nullptr);
  saving_ = std::move(save);
  saving_->id = keyd_ + "-" + std::to_string(++saves_);
  const keyring::KeyRing::Version version = saving_->state.ring.version();
  const auto plain = encode_state(saving_->state, store_now());
  const auto sealed =
      plain ? seal(key_, {SealedKind::kState, identity_.fleet}, version, plain->bytes())
            : Result<std::vector<std::byte>>(fail(plain.error().message));
  if (!sealed) {
    soon([this, reign = reign_, why = sealed.error().message] {
      if (reign == reign_) {
        end_save(fail(why));
      }
    });
    return;
  }
  run(
      StoreAction::kSave,
      {saving_->id, std::to_string(version.term), std::to_string(version.version),
       text_of(*sealed)},
      [this, reign = reign_](const StoreView& view, BootClock::time_point sent) {
        if (reign == reign_) {
          on_saved(view, sent);
        }
      },
      [this, reign = reign_](const std::string& why) {
        if (reign == reign_) {
          unanswered_ = std::make_unique<Save>(Save{saving_->state, nullptr, saving_->id});
          end_save(fail(why));
        }
      });
}

void RedisStore::on_saved(const StoreView& view, BootClock::time_point sent) {
  switch (view.verdict) {
    case Verdict::kDone:
      state_ = saving_->state;
      state_id_ = saving_->id;
      content_ = Content::kReadable;
      saved_since_taken_ = true;
      unanswered_.reset();
      renewed_ = sent;
      sure_from(sent);
      end_save({});
      return;
    case Verdict::kChanged:  // Redis lost a write, or an earlier save came late: now it is known
      send_save(std::exchange(saving_, nullptr));
      return;
    case Verdict::kLost:
    case Verdict::kTaken:
      lose("the lease was lost before the state was saved");
      break;
    case Verdict::kNewer:
      lose("Redis holds a newer ring than this keyd, which leads");
      break;
  }
  look();
}

void RedisStore::end_save(Result<void> result) {
  const std::unique_ptr<Save> ended = std::exchange(saving_, nullptr);
  if (next_save_ != nullptr) {
    send_save(std::exchange(next_save_, nullptr));
  }
  ended->done(std::move(result));
}

void RedisStore::report(const Report& report, Done done) {
  std::string why;
  if (role_ != Role::kFollowing) {
    why = role_ == Role::kLeading ? "this keyd leads" : "the store is out of reach";
  }
  const auto urgency = why.empty() ? book_.add(report) : ReportBook::Urgency::kFull;
  if (urgency == ReportBook::Urgency::kFull) {
    soon([done = std::move(done), why] {
      done(fail(why.empty() ? "reports of too many members wait" : why));
    });
    return;
  }
  unreported_.push_back(std::move(done));
  if (urgency == ReportBook::Urgency::kNow) {
    flush_reports();
  } else if (!report_timer_.active()) {
    report_timer_.start(kReportLatest);
  }
}

void RedisStore::flush_reports() {
  if (role_ != Role::kFollowing || reporting_ || book_.empty()) {
    return;
  }
  report_timer_.stop();
  const auto dones = std::make_shared<std::deque<Done>>(std::exchange(unreported_, {}));
  const auto failed = [this, dones](const std::string& why) {
    reporting_ = false;
    own_report_ = kUnconfirmed;
    if (role_ == Role::kFollowing && !std::exchange(reports_refused_, true)) {
      log::warning(
          "reports could not be stored; new subscribers of this keyd get no ring until "
          "they are",
          {{"why", why}});
    }
    for (const Done& done : *dones) {
      done(fail(why));
    }
  };
  std::array<std::byte, 8> random{};
  const auto plain = encode_reports(book_.current(BootClock::now()), store_now());
  const auto sealed = plain
                          ? seal(key_, {SealedKind::kReports, identity_.fleet}, {}, plain->bytes())
                          : Result<std::vector<std::byte>>(fail(plain.error().message));
  reporting_ = true;
  if (!sealed || RAND_bytes(writable_uchars(random), static_cast<int>(random.size())) != 1) {
    soon([failed] { failed("the reports cannot be sealed"); });
    return;
  }
  run(
      StoreAction::kReport, {text_of(*sealed), hex(random)},
      [this, dones](const StoreView& view, BootClock::time_point) { on_reported(view, *dones); },
      failed);
}

// A state that was saved before the reports were recorded is told before they count as recorded:
// the members get nothing older.
void RedisStore::on_reported(const StoreView& view, const std::deque<Done>& dones) {
  reporting_ = false;
  reports_refused_ = false;
  own_report_ = view.own_report;
  if (role_ == Role::kFollowing && std::exchange(state_is_news_, false)) {
    events_.on_following(state_, leader_);
  }
  for (const Done& done : dones) {
    done({});
  }
  if (!unreported_.empty()) {
    flush_reports();
  }
}

}  // namespace usher::keyd
