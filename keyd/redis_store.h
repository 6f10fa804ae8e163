#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keyd/redis_script.h"
#include "keyd/report_book.h"
#include "keyd/state_codec.h"
#include "keyd/store.h"
#include "keyd/stores.h"
#include "proxy/redis/connection.h"
#include "proxy/uv/loop.h"
#include "proxy/uv/timer.h"

namespace usher::keyd {

// The state in Redis, shared by several keyds of which one leads. It holds a lease with an expiry
// and a fencing term; Redis takes its saves only while the lease is its own, and it gives up by its
// own clock well before Redis could give the lease to another. All keyds look every few dozen
// milliseconds: a saved ring reaches the standbys' proxies, and their reports the leader, that
// fast. Reports are sealed like the state: whoever can write to Redis could otherwise acknowledge
// for a proxy, and a key would seal that it cannot open.
// What this keyd saved or read last stays in memory: a store that came back older or empty gets it
// again from the leader, or from the standby that takes over.
// Thread: the loop's. Owner: Daemon.
class RedisStore final : public Store {
 public:
  static Result<std::unique_ptr<Store>> open(uv::Loop& loop, redis::Server server,
                                             std::chrono::milliseconds lease, StoreKey key,
                                             StoreIdentity identity);

  void start(Events events) override;
  void save(const FleetState& state, Done done) override;
  void report(const Report& report, Done done) override;
  void stop(std::function<void()> done) override;
  bool up() const override { return may_push() && !reports_refused_; }
  bool may_push() const override;

 private:
  enum class Role { kOut, kFollowing, kLeading, kStopped };
  // What lies in the store, as far as this keyd can tell.
  enum class Content { kUnknown, kNone, kReadable, kUnreadable };
  using OnView = std::function<void(const StoreView& view, BootClock::time_point sent)>;
  using OnNoView = std::function<void(const std::string& why)>;

  RedisStore(uv::Loop& loop, redis::Server server, std::chrono::milliseconds lease, StoreKey key,
             StoreIdentity identity, std::string keyd);

  struct Save {
    FleetState state;
    Done done;
    std::string id;
  };

  // Scripts, and what every answer tells.
  void run(StoreAction action, const std::vector<std::string_view>& arguments, OnView on_view,
           OnNoView on_no_view);
  void take_in(const StoreView& view, bool reports_asked);
  void take_in_state(const StoreView& view);
  Result<FleetState> opened(const StoreView& view) const;
  bool is_older(const FleetState& state, const std::string& id) const;
  void tell_reports(const StoreView& view);
  void on_connection(bool ready, const std::string& why);
  Moment store_now() const;

  // Following and leading.
  void on_tick();
  void look();
  void on_looked(const StoreView& view, BootClock::time_point sent);
  void follow(const std::string& leader, BootClock::time_point sent);
  void take();
  void lead(std::uint64_t term, BootClock::time_point sent);
  void hold();
  void on_held(const StoreView& view, bool renewed, BootClock::time_point sent);
  void lose(const std::string& why);
  void on_expiry();
  void sure_from(BootClock::time_point sent);

  // Saving and reporting.
  void send_save(std::unique_ptr<Save> save);
  void on_saved(const StoreView& view, BootClock::time_point sent);
  void end_save(Result<void> result);
  void flush_reports();
  void on_reported(const StoreView& view, const std::deque<Done>& dones);
  void soon(std::function<void()> work);
  void on_soon();

  const std::chrono::milliseconds lease_;
  const std::chrono::milliseconds lease_in_store_;  // shorter: so that a standby is in time
  const std::chrono::milliseconds valid_;           // shorter again: this keyd stops first
  const std::chrono::milliseconds answer_max_;
  const std::chrono::milliseconds tick_every_;
  const StoreKey key_;
  const StoreIdentity identity_;
  const std::string keyd_;  // random: this process in `reports`, and the head of its lease values

  Events events_;
  Role role_ = Role::kOut;
  bool told_lost_ = false;
  BootClock::time_point until_;  // the role is sure so long
  std::string leader_;           // while following
  std::string lease_value_;      // TOKEN|NAME, also of a lease that was lost
  std::uint64_t takes_ = 0;      // each has its own token
  BootClock::time_point renewed_;
  std::uint64_t highest_term_ = 0;  // ever seen
  std::string last_trouble_ = "no connection yet";
  bool asking_ = false;  // a look, take or hold is under way

  Content content_ = Content::kUnknown;
  std::string unreadable_why_;
  std::string unreadable_told_;      // the id of the state of which the log has said so
  std::string known_id_;             // of the state in the store, readable or not
  std::optional<FleetState> state_;  // the latest that was saved or read
  std::string state_id_;
  bool state_is_news_ = false;                      // on_following has not told it
  std::chrono::milliseconds redis_clock_ahead_{0};  // Redis' Unix time minus our BootClock

  std::uint64_t saves_ = 0;           // of this process: in their ids
  std::unique_ptr<Save> saving_;      // under way
  std::unique_ptr<Save> next_save_;   // waits for that one
  std::unique_ptr<Save> unanswered_;  // may have been carried out, or not
  bool saved_since_taken_ = false;
  std::uint64_t reign_ = 0;  // answers from before a loss are not for the leader after it

  ReportBook book_;
  std::deque<Done> unreported_;  // of reports that the next flush carries
  bool reporting_ = false;
  bool reports_refused_ = false;   // the last ones
  std::string own_report_;         // the store's id of what was written last
  std::string known_last_report_;  // while leading
  bool warned_of_reports_ = false;

  std::deque<std::function<void()>> later_;
  uv::Timer tick_timer_;
  uv::Timer expiry_timer_;
  uv::Timer report_timer_;
  uv::Timer soon_timer_;
  redis::Connection connection_;  // last: ends first, so that no callback finds members gone
};

}  // namespace usher::keyd
