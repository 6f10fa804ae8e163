#include <algorithm>
#include <utility>

#include "keyd/redis_store.h"
#include "proxy/base/log.h"

// The part of RedisStore that finds out who leads.
namespace usher::keyd {
namespace {

std::string name_in(const std::string& lease_value) {
  return lease_value.substr(std::min(lease_value.find('|'), lease_value.size() - 1) + 1);
}

}  // namespace

void RedisStore::on_tick() {
  if (role_ == Role::kStopped) {
    return;
  }
  tick_timer_.start(tick_every_);
  if (asking_ || !connection_.ready()) {
    return;
  }
  if (role_ == Role::kLeading) {
    hold();
  } else {
    look();
  }
}

// --- while another leads, or nobody

void RedisStore::look() {
  asking_ = true;
  run(
      StoreAction::kLook, {},
      [this](const StoreView& view, BootClock::time_point sent) {
        asking_ = false;
        on_looked(view, sent);
      },
      [this](const std::string&) { asking_ = false; });
}

void RedisStore::on_looked(const StoreView& view, BootClock::time_point sent) {
  if (content_ == Content::kUnreadable && !state_) {
    lose(unreadable_why_);  // to lead would be to overwrite what another key opens
    return;
  }
  if (view.lease.empty()) {
    take();
  } else if (view.lease == lease_value_) {
    // Taken or lost without our knowing it; a lease of our own that we do not trust is given back.
    run(
        StoreAction::kRelease, {}, [](const StoreView&, BootClock::time_point) {},
        [](const std::string&) {});
  } else {
    follow(name_in(view.lease), sent);
    if (view.own_report != own_report_) {
      flush_reports();  // the store came back without what it had confirmed
    }
  }
}

void RedisStore::follow(const std::string& leader, BootClock::time_point sent) {
  const bool is_news =
      std::exchange(state_is_news_, false) || role_ != Role::kFollowing || leader_ != leader;
  role_ = Role::kFollowing;
  leader_ = leader;
  told_lost_ = false;
  sure_from(sent);
  if (is_news) {
    events_.on_following(state_, leader_);
  }
}

void RedisStore::take() {
  asking_ = true;
  lease_value_ = keyd_ + "." + std::to_string(++takes_) + "|" + identity_.name;
  const std::uint64_t remembered = state_ ? state_->ring.version().term : 0;
  const std::string floor = std::to_string(std::max(highest_term_, remembered));
  run(
      StoreAction::kTake, {floor},
      [this](const StoreView& view, BootClock::time_point sent) {
        asking_ = false;
        if (view.verdict == Verdict::kDone && view.term != 0) {
          lead(view.term, sent);
        } else {
          look();
        }
      },
      [this](const std::string&) { asking_ = false; });
}

// --- while this keyd leads

void RedisStore::lead(std::uint64_t term, BootClock::time_point sent) {
  for (Done& done : std::exchange(unreported_, {})) {
    soon([done = std::move(done)] { done(fail("this keyd leads now")); });
  }
  book_.clear();
  own_report_.clear();
  known_last_report_.clear();
  saved_since_taken_ = false;
  state_is_news_ = false;
  role_ = Role::kLeading;
  reports_refused_ = false;
  told_lost_ = false;
  renewed_ = sent;
  sure_from(sent);
  events_.on_leading(state_, term);
}

void RedisStore::hold() {
  asking_ = true;
  const bool renew = BootClock::now() - renewed_ >= lease_ / 4;
  run(
      StoreAction::kHold, {renew ? "1" : "0"},
      [this, renew, reign = reign_](const StoreView& view, BootClock::time_point sent) {
        asking_ = false;
        if (reign == reign_) {
          on_held(view, renew, sent);
        }
      },
      [this](const std::string&) { asking_ = false; });
}

void RedisStore::on_held(const StoreView& view, bool renewed, BootClock::time_point sent) {
  if (view.verdict != Verdict::kDone) {
    lose(view.lease.empty() ? "the lease is gone from Redis, which came back empty or older"
                            : name_in(view.lease) + " took the lease");
    look();
    return;
  }
  if (renewed) {
    renewed_ = sent;
    sure_from(sent);
  }
  if (!saved_since_taken_ || saving_ != nullptr || view.id == state_id_) {
    return;
  }
  if (unanswered_ != nullptr && view.id == unanswered_->id) {
    state_ = std::exchange(unanswered_, nullptr)->state;
    state_id_ = view.id;
    return;
  }
  if (view.version > state_->ring.version()) {
    lose("Redis holds a newer ring than this keyd, which leads");
    look();
    return;
  }
  log::warning("Redis came back with an older state; it is written again from memory");
  auto again = std::make_unique<Save>(Save{*state_, [](const Result<void>&) {}, ""});
  send_save(std::move(again));
}

// --- either

void RedisStore::lose(const std::string& why) {
  role_ = Role::kOut;
  reports_refused_ = false;
  ++reign_;
  leader_.clear();
  content_ = Content::kUnknown;  // to be read again, whatever it is
  known_id_.clear();
  expiry_timer_.stop();
  for (std::unique_ptr<Save>* save : {&saving_, &next_save_}) {
    if (*save != nullptr) {
      soon([done = std::move((*save)->done), why] { done(fail(why)); });
      save->reset();
    }
  }
  unanswered_.reset();
  for (Done& done : std::exchange(unreported_, {})) {
    soon([done = std::move(done), why] { done(fail(why)); });
  }
  if (!std::exchange(told_lost_, true)) {
    events_.on_lost(why);
  }
}

void RedisStore::on_expiry() {
  const auto now = BootClock::now();
  if (now < until_) {
    expiry_timer_.start(std::chrono::ceil<std::chrono::milliseconds>(until_ - now));
    return;
  }
  lose("no answer from " + connection_.server().label + " for a lease time: " + last_trouble_);
}

// Counted from when the question left: Redis' own count began later.
void RedisStore::sure_from(BootClock::time_point sent) {
  until_ = sent + valid_;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until_ - BootClock::now());
  expiry_timer_.start(left);
}

}  // namespace usher::keyd
