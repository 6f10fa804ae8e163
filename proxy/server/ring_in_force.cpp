#include "proxy/server/ring_in_force.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "proxy/base/check.h"
#include "proxy/base/log.h"
#include "proxy/keyring/ring_changes.h"

namespace usher::server {
namespace {

using keyring::KeyRing;
using keyring::KeyState;

// CLOCK_BOOTTIME goes on while the machine sleeps, the loop's timers do not: look at the real ages
// at least this often, so that a woken laptop or a resumed VM wipes soon. (No expired key opens
// meanwhile: every ticket asks the clock.)
constexpr std::chrono::milliseconds kLookAgain = std::chrono::seconds(30);

bool same_key(const keyring::TicketKey& a, const keyring::TicketKey& b) {
  return a.name == b.name || std::ranges::equal(a.aes_bytes(), b.aes_bytes()) ||
         std::ranges::equal(a.hmac_bytes(), b.hmac_bytes());
}

bool holds(const std::vector<KeyRing::Entry>& entries, const keyring::TicketKey& key) {
  return std::ranges::any_of(
      entries, [&](const KeyRing::Entry& entry) { return same_key(*entry.key, key); });
}

std::optional<BootClock::time_point> earlier(std::optional<BootClock::time_point> a,
                                             BootClock::time_point b) {
  return a ? std::min(*a, b) : b;
}

}  // namespace

RingInForce::RingInForce(uv::Loop& loop, uv::Mailbox& mailbox,
                         std::function<void(Publication)> on_applied)
    : mailbox_(mailbox),
      on_applied_(std::move(on_applied)),
      rings_(std::make_shared<const KeyRing>()),
      session_rings_(rings_.latest()) {
  expiry_.open<&RingInForce::on_timer>(loop, *this);
}

void RingInForce::set_workers(std::vector<TakeRing> workers) {
  CHECK(workers_.empty() && !workers.empty());
  for (TakeRing& take : workers) {
    workers_.push_back({std::move(take), 0, {}});
  }
  const auto now = std::chrono::steady_clock::now();
  for (Begun& begun : begun_) {
    begun.at = now;  // the start of the process is no part of it
  }
  if (published_ > 0) {
    tell_workers();
  }
}

RingInForce::Publication RingInForce::publish(KeyRing ring) {
  source_ = std::move(ring);
  stale_told_ = false;
  (void)drop_expired(BootClock::now());
  return put_in_force();
}

void RingInForce::carry_over(std::chrono::milliseconds sessions_max) {
  const auto now = BootClock::now();
  const auto limit = source_.policy().open_max_age;
  for (const KeyRing::Entry& entry : source_.entries()) {
    carried_.push_back({entry.key, limit ? entry.key->created + *limit : now + sessions_max});
  }
  if (carried_.size() > keyring::kMaxKeys) {  // sources that change like the weather
    carried_.erase(carried_.begin(), carried_.end() - keyring::kMaxKeys);
  }
  lineage_floor_ = std::max(lineage_floor_, source_.lineage_not_before());
  (void)publish(KeyRing());
}

bool RingInForce::revoke_carried(const keyring::KeyName& name, UnixSeconds now) {
  if (std::erase_if(carried_, [&](const Carried& one) { return one.key->name == name; }) == 0) {
    return false;
  }
  lineage_floor_ = std::max(lineage_floor_, now);
  (void)put_in_force();
  return true;
}

void RingInForce::clear() {
  carried_.clear();
  (void)publish(KeyRing());
}

void RingInForce::close() {
  expiry_.close();
}

std::vector<KeyRing::Version> RingInForce::read_by_workers() const {
  std::vector<KeyRing::Version> versions;
  for (const WorkerView& worker : workers_) {
    versions.push_back(worker.reads);
  }
  return versions;
}

RingInForce::Publication RingInForce::put_in_force() {
  KeyRing::Parts parts = source_.parts();
  for (auto one = carried_.rbegin(); one != carried_.rend(); ++one) {  // the latest first
    if (parts.entries.size() < keyring::kMaxKeys && !holds(parts.entries, *one->key)) {
      parts.entries.push_back({one->key, KeyState::kPrevious});
    }
  }
  parts.lineage_not_before = std::max(parts.lineage_not_before, lineage_floor_);
  auto ring = KeyRing::make(std::move(parts));
  CHECK(ring);  // keys of valid rings, none twice
  auto shared = std::make_shared<const KeyRing>(*std::move(ring));
  rings_.publish(sessions_only_ ? std::make_shared<const KeyRing>() : shared);
  session_rings_.publish(std::move(shared));
  begun_.push_back({++published_, std::chrono::steady_clock::now()});
  tell_workers();
  arm();
  return published_;
}

void RingInForce::tell_workers() {
  for (std::size_t index = 0; index < workers_.size(); ++index) {
    workers_[index].take([this, index, publication = published_](KeyRing::Version reads) {
      mailbox_.post([this, index, publication, reads] { on_taken(index, publication, reads); });
    });
  }
}

void RingInForce::on_taken(std::size_t worker, Publication publication, KeyRing::Version reads) {
  workers_[worker].taken = std::max(workers_[worker].taken, publication);
  workers_[worker].reads = reads;
  const Publication by_all =
      std::ranges::min(workers_, {}, [](const WorkerView& one) { return one.taken; }).taken;
  if (by_all <= applied_) {
    return;
  }
  applied_ = by_all;
  const auto now = std::chrono::steady_clock::now();
  for (; !begun_.empty() && begun_.front().publication <= by_all; begun_.pop_front()) {
    apply_seconds_.observe(now - begun_.front().at);
  }
  on_applied_(by_all);
}

bool RingInForce::drop_expired(BootClock::time_point now) {
  const auto limit = source_.policy().open_max_age;
  const auto is_over = [&](const keyring::TicketKey& key) {
    return limit && now - key.created >= *limit;
  };
  const std::size_t gone = std::erase_if(
      carried_, [&](const Carried& one) { return now >= one.until || is_over(*one.key); });
  KeyRing::Parts parts = source_.parts();
  if (std::erase_if(parts.entries,
                    [&](const KeyRing::Entry& entry) { return is_over(*entry.key); }) == 0) {
    return gone > 0;
  }
  auto rest = KeyRing::make(std::move(parts));  // the same version: the source has not spoken
  CHECK(rest);
  source_ = *std::move(rest);
  return true;
}

// The expired keys' bytes are wiped when the last worker lets go of the ring that holds them, which
// telling the workers brings about.
void RingInForce::on_timer() {
  const auto now = BootClock::now();
  tell_if_stale(now);
  if (drop_expired(now)) {
    (void)put_in_force();
    log::info("expired ticket keys were wiped",
              {{"keys", session_rings_.latest()->entries().size()}});
  } else {
    arm();
  }
}

void RingInForce::arm() {
  const auto now = BootClock::now();
  std::optional<BootClock::time_point> due;
  const auto limit = source_.policy().open_max_age;
  for (const KeyRing::Entry& entry : source_.entries()) {
    if (limit) {
      due = earlier(due, entry.key->created + *limit);
    }
  }
  for (const Carried& one : carried_) {
    due = earlier(due, limit ? std::min(one.until, one.key->created + *limit) : one.until);
  }
  const KeyRing::Entry* current = keyring::find_key(source_, KeyState::kCurrent);
  if (current != nullptr && source_.policy().seal_max_age && !stale_told_) {
    due = earlier(due, current->key->created + *source_.policy().seal_max_age);
  }
  if (!due) {
    expiry_.stop();
    return;
  }
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(*due - now);
  expiry_.start(std::clamp(wait, std::chrono::milliseconds(0), kLookAgain));
}

void RingInForce::tell_if_stale(BootClock::time_point now) {
  if (!stale_told_ && keyring::find_key(source_, KeyState::kCurrent) != nullptr &&
      source_.sealing_key(now) == nullptr) {
    stale_told_ = true;
    log::warning(
        "the ticket key is older than seal_max_age: no new tickets until its source sends "
        "a new one",
        {{"term", source_.version().term}, {"version", source_.version().version}});
  }
}

}  // namespace usher::server
