#include "proxy/server/ticket_rotation.h"

#include <algorithm>
#include <utility>

#include "proxy/base/bytes.h"
#include "proxy/base/log.h"
#include "proxy/keyring/ring_changes.h"

namespace usher::server {
namespace {

// CLOCK_BOOTTIME goes on while the machine sleeps, the loop's timers do not: look at the real age
// at least this often, so that a woken laptop or a resumed VM rotates at once.
constexpr std::chrono::milliseconds kLookAgain = std::chrono::seconds(30);
// After a failed rotation (no randomness).
constexpr std::chrono::milliseconds kRetry = std::chrono::seconds(1);

Unexpected<KeyRefusal> refuse(int status, std::string why) {
  return Unexpected(KeyRefusal{status, std::move(why)});
}

}  // namespace

TicketRotation::TicketRotation(uv::Loop& loop, RingInForce& ring)
    : ring_(ring), random_(keyring::private_random()) {
  timer_.open<&TicketRotation::on_timer>(loop, *this);
}

Result<void> TicketRotation::configure(const config::Tickets& tickets) {
  rotate_every_ = tickets.rotate_every;
  const keyring::AgePolicy policy{tickets.seal_max_age, tickets.open_max_age};
  const keyring::KeyRing& ring = ring_.source_ring();
  if (ring.entries().empty()) {
    auto first = keyring::first_ring(BootClock::now(), policy, random_);
    if (!first) {
      return Unexpected(std::move(first).error());
    }
    (void)ring_.publish(*std::move(first));
  } else if (ring.policy() != policy) {
    (void)ring_.publish(keyring::with_policy(ring, policy));
  }
  arm();
  return {};
}

void TicketRotation::stop() {
  timer_.stop();
}

void TicketRotation::close() {
  timer_.close();
}

Result<void> TicketRotation::make_next() {
  const keyring::KeyRing& ring = ring_.source_ring();
  if (keyring::find_key(ring, keyring::KeyState::kNext) != nullptr) {
    return {};
  }
  auto made = keyring::create_next(ring, BootClock::now(), random_);
  if (!made) {
    return Unexpected(std::move(made).error());
  }
  (void)ring_.publish(*std::move(made));
  return {};
}

Result<void, KeyRefusal> TicketRotation::rotate_now() {
  if (ring_.source_ring().entries().size() >= keyring::kMaxKeys) {
    return refuse(409, "the ring holds " + std::to_string(keyring::kMaxKeys) +
                           " keys that still open tickets; wait until the oldest expires");
  }
  auto rotated = rotate();
  arm();
  return rotated ? Result<void, KeyRefusal>() : refuse(503, rotated.error().message);
}

Result<void, KeyRefusal> TicketRotation::revoke(const keyring::KeyName& name) {
  const UnixSeconds now = unix_now();
  if (ring_.revoke_carried(name, now)) {
    return {};
  }
  const keyring::KeyRing& ring = ring_.source_ring();
  if (keyring::find_key(ring, name) == nullptr) {
    return refuse(404, "there is no key " + hex(name) + "; `usherctl keys show` lists them");
  }
  auto revoked = keyring::revoke(ring, name, BootClock::now(), now, random_);
  if (!revoked) {
    return refuse(503, revoked.error().message);
  }
  (void)ring_.publish(*std::move(revoked));
  log::warning("ticket key revoked; sessions that began until now resume no more",
               {{"key", hex(name)}, {"version", ring_.source_ring().version().version}});
  arm();
  return {};
}

Result<std::size_t, KeyRefusal> TicketRotation::import_keys(keyring::KeyFileFormat format,
                                                            SecretBuffer bytes, bool replace) {
  const keyring::KeyRing& ring = ring_.source_ring();
  const bool whole = format == keyring::KeyFileFormat::kUsher;
  std::vector<keyring::KeyFile> files;
  files.push_back({"the imported file", std::move(bytes), BootClock::now(), unix_now()});
  const auto keys = keyring::parse_key_files(format, files, 1, ring.policy());
  if (!keys) {
    return refuse(400, keys.error().message);
  }
  if (whole && !replace) {
    return refuse(409, "there is a ring already; --replace takes the file's in its place");
  }
  auto imported =
      whole ? keyring::replaced_by(ring, *keys) : keyring::with_keys(ring, *keys, replace);
  if (!imported) {
    return refuse(409, imported.error().message);
  }
  (void)ring_.publish(*std::move(imported));
  log::info("ticket keys imported",
            {{"keys", keys->entries().size()}, {"version", ring_.source_ring().version().version}});
  arm();
  return keys->entries().size();
}

void TicketRotation::on_timer() {
  const bool due = BootClock::now() >= keyring::next_due(ring_.source_ring(), rotate_every_);
  if (const auto rotated = due ? rotate() : Result<void>(); !rotated) {
    log::error("ticket key rotation failed; trying again", {{"error", rotated.error().message}});
    timer_.start(kRetry);
    return;
  }
  arm();
}

void TicketRotation::arm() {
  const auto due = keyring::next_due(ring_.source_ring(), rotate_every_) - BootClock::now();
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(due);
  timer_.start(std::clamp(wait, std::chrono::milliseconds(0), kLookAgain));
}

Result<void> TicketRotation::rotate() {
  const keyring::KeyRing& ring = ring_.source_ring();
  auto rotated = keyring::find_key(ring, keyring::KeyState::kNext) != nullptr
                     ? keyring::promote(ring)
                     : keyring::rotate_embedded(ring, BootClock::now(), random_);
  if (!rotated) {
    return Unexpected(std::move(rotated).error());
  }
  (void)ring_.publish(*std::move(rotated));
  log::info(ring_.sessions_only() ? "key of session ids rotated" : "ticket key rotated",
            {{"version", ring_.source_ring().version().version},
             {"keys", ring_.source_ring().entries().size()}});
  return {};
}

}  // namespace usher::server
