#include "keyd/redis_store.h"

#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "keyd/sealed_state.h"
#include "proxy/base/bytes.h"
#include "proxy/base/check.h"
#include "proxy/base/log.h"

namespace usher::keyd {
namespace {

using std::chrono::milliseconds;

redis::Connection::Options connection_options(milliseconds lease) {
  const milliseconds answer = std::clamp(lease / 4, milliseconds(50), milliseconds(1000));
  const milliseconds backoff_max = std::clamp(lease / 8, milliseconds(20), milliseconds(1000));
  return {answer, answer, milliseconds(20), backoff_max};
}

std::string why_of(redis::Outcome outcome, const redis::Reply& reply) {
  switch (outcome) {
    case redis::Outcome::kReply:
    case redis::Outcome::kMalformed:
      return "Redis answers what no script of ours does";
    case redis::Outcome::kRefused:
      return "Redis refuses: " + reply.text.substr(0, 200);
    case redis::Outcome::kTimeout:
      return "Redis has not answered in time";
    case redis::Outcome::kDisconnected:
      return "the connection to Redis broke";
    case redis::Outcome::kNotConnected:
    case redis::Outcome::kFull:
      break;
  }
  return "there is no connection to Redis";
}

// The COUNT of a save's id KEYD-COUNT, if it is of that keyd.
std::optional<std::uint64_t> count_in(std::string_view id, std::string_view keyd) {
  std::uint64_t count = 0;
  if (!id.starts_with(keyd) || id.size() <= keyd.size()) {
    return std::nullopt;
  }
  const char* end = id.data() + id.size();
  const auto [stop, error] = std::from_chars(id.data() + keyd.size() + 1, end, count);
  return error == std::errc() && stop == end ? std::optional(count) : std::nullopt;
}

milliseconds since_boot(BootClock::time_point at) {
  return std::chrono::floor<milliseconds>(at.time_since_epoch());
}

}  // namespace

Result<std::unique_ptr<Store>> RedisStore::open(uv::Loop& loop, redis::Server server,
                                                milliseconds lease, StoreKey key,
                                                StoreIdentity identity) {
  std::array<std::byte, 8> token{};
  if (RAND_bytes(writable_uchars(token), static_cast<int>(token.size())) != 1) {
    return fail("no random bytes for this keyd's name in Redis");
  }
  return std::unique_ptr<Store>(new RedisStore(loop, std::move(server), lease, std::move(key),
                                               std::move(identity), hex(token)));
}

RedisStore::RedisStore(uv::Loop& loop, redis::Server server, milliseconds lease, StoreKey key,
                       StoreIdentity identity, std::string keyd)
    : lease_(lease),
      lease_in_store_(lease * 9 / 10),
      valid_(lease * 3 / 4),
      answer_max_(connection_options(lease).silence_max),
      tick_every_(std::clamp(lease / 20, milliseconds(10), milliseconds(50))),
      key_(std::move(key)),
      identity_(std::move(identity)),
      keyd_(std::move(keyd)),
      connection_(loop, std::move(server), connection_options(lease),
                  [this](bool ready, const std::string& why) { on_connection(ready, why); }) {
  tick_timer_.open<&RedisStore::on_tick>(loop, *this);
  expiry_timer_.open<&RedisStore::on_expiry>(loop, *this);
  report_timer_.open<&RedisStore::flush_reports>(loop, *this);
  soon_timer_.open<&RedisStore::on_soon>(loop, *this);
}

void RedisStore::start(Events events) {
  events_ = std::move(events);
  until_ = BootClock::now() + lease_;
  expiry_timer_.start(lease_);
  tick_timer_.start(tick_every_);
  connection_.open();
}

void RedisStore::stop(std::function<void()> done) {
  const bool leading = role_ == Role::kLeading;
  told_lost_ = true;  // nobody is to be told any more
  lose("this keyd stops");
  role_ = Role::kStopped;
  tick_timer_.stop();
  if (!leading) {
    soon(std::move(done));
    return;
  }
  const auto ended = std::make_shared<std::function<void()>>(std::move(done));
  run(
      StoreAction::kRelease, {},
      [this, ended](const StoreView&, BootClock::time_point) { soon(std::move(*ended)); },
      [this, ended](const std::string&) { soon(std::move(*ended)); });
}

bool RedisStore::may_push() const {
  return (role_ == Role::kLeading || role_ == Role::kFollowing) && BootClock::now() < until_;
}

void RedisStore::on_connection(bool ready, const std::string& why) {
  if (ready) {
    log::info("connected to Redis", {{"store", connection_.server().label}});
    on_tick();
    return;
  }
  if (why != last_trouble_) {
    log::warning("no connection to Redis", {{"store", connection_.server().label}, {"why", why}});
  }
  last_trouble_ = why;
}

void RedisStore::run(StoreAction action, const std::vector<std::string_view>& arguments,
                     OnView on_view, OnNoView on_no_view) {
  const bool wants_reports = role_ == Role::kLeading;
  const StoreCall call{lease_value_,       lease_in_store_, known_id_,
                       known_last_report_, keyd_,           wants_reports};
  const auto command = script_command(action, identity_.fleet, call, arguments);
  const std::vector<std::string_view> views(command.begin(), command.end());
  connection_.command(
      views, kStoreViewExpected, answer_max_,
      [this, action, wants_reports, sent = BootClock::now(), on_view = std::move(on_view),
       on_no_view = std::move(on_no_view)](redis::Outcome outcome, redis::Reply reply) {
        if (role_ == Role::kStopped && action != StoreAction::kRelease) {
          return;
        }
        if (outcome == redis::Outcome::kReply) {
          if (const auto view = view_of(std::exchange(reply, {}))) {
            take_in(*view, wants_reports);
            on_view(*view, sent);
            return;
          }
        }
        last_trouble_ = why_of(outcome, reply);
        on_no_view(last_trouble_);
        if (outcome == redis::Outcome::kRefused && reply.text.starts_with("READONLY")) {
          connection_.reconnect(last_trouble_);  // its name may lead to the new primary by now
        }
      });
}

void RedisStore::take_in(const StoreView& view, bool reports_asked) {
  redis_clock_ahead_ = view.time.time_since_epoch() - since_boot(BootClock::now());
  highest_term_ = std::max({highest_term_, view.term, view.version.term});
  if (view.id != known_id_ || content_ == Content::kUnknown) {
    take_in_state(view);
  }
  if (reports_asked && role_ == Role::kLeading) {
    known_last_report_ = view.last_report;
    tell_reports(view);
  }
}

void RedisStore::take_in_state(const StoreView& view) {
  known_id_ = view.id;
  if (view.id.empty()) {
    content_ = Content::kNone;
    return;
  }
  if (saving_ != nullptr && view.id == saving_->id) {
    return;  // the answer to that save says more
  }
  auto state = opened(view);
  content_ = state ? Content::kReadable : Content::kUnreadable;
  if (!state) {
    unreadable_why_ =
        connection_.server().label + ": the fleet's state cannot be read: " + state.error().message;
    if (std::exchange(unreadable_told_, view.id) != view.id) {  // it is read again at each look
      log::error("the fleet's state in Redis cannot be read", {{"why", unreadable_why_}});
    }
  } else if (role_ != Role::kLeading && !is_older(*state, view.id)) {
    state_ = *std::move(state);
    state_id_ = view.id;
    state_is_news_ = true;
  }
}

Result<FleetState> RedisStore::opened(const StoreView& view) const {
  const auto sealed =
      open_sealed(key_, {SealedKind::kState, identity_.fleet}, bytes_of(view.sealed));
  if (!sealed) {
    return fail(sealed.error().message);
  }
  auto state = decode_state(sealed->plain.bytes(), store_now());
  if (state && (state->ring.version() != sealed->version || view.version != sealed->version)) {
    return fail("it is of another version than it says");
  }
  return state;
}

// Than what this keyd remembers: Redis lost a write, or came back from a backup.
bool RedisStore::is_older(const FleetState& state, const std::string& id) const {
  if (!state_ || state.ring.version() != state_->ring.version()) {
    return state_ && state.ring.version() < state_->ring.version();
  }
  const std::string_view keyd = std::string_view(state_id_).substr(0, keyd_.size());
  const auto remembered = count_in(state_id_, keyd);
  const auto count = count_in(id, keyd);
  return remembered && count && *count < *remembered;
}

void RedisStore::tell_reports(const StoreView& view) {
  std::vector<Report> all;
  for (const auto& [keyd, sealed] : view.reports) {
    if (keyd == keyd_) {
      continue;
    }
    const auto plain = open_sealed(key_, {SealedKind::kReports, identity_.fleet}, bytes_of(sealed));
    auto reports = plain ? decode_reports(plain->plain.bytes(), store_now())
                         : Result<std::vector<Report>>(fail(plain.error().message));
    if (reports) {
      std::ranges::move(*reports, std::back_inserter(all));
    } else if (!std::exchange(warned_of_reports_, true)) {
      log::warning("another keyd's reports in Redis cannot be read",
                   {{"why", reports.error().message}});
    }
  }
  if (!all.empty()) {
    events_.on_reports(std::move(all));
  }
}

Moment RedisStore::store_now() const {
  const auto now = BootClock::now();
  return {now, WallTime(since_boot(now) + redis_clock_ahead_)};
}

void RedisStore::soon(std::function<void()> work) {
  later_.push_back(std::move(work));
  soon_timer_.start(milliseconds(0));
}

void RedisStore::on_soon() {
  for (std::function<void()>& work : std::exchange(later_, {})) {
    work();
  }
}

}  // namespace usher::keyd
