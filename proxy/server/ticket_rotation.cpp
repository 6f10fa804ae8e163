#include "proxy/server/ticket_rotation.h"

#include <algorithm>
#include <utility>

#include "proxy/base/log.h"

namespace usher::server {
namespace {

// CLOCK_BOOTTIME goes on while the machine sleeps, the loop's timers do not: look at the real age
// at least this often, so that a woken laptop or a resumed VM rotates at once.
constexpr std::chrono::milliseconds kLookAgain = std::chrono::seconds(30);
// After a failed rotation (no randomness).
constexpr std::chrono::milliseconds kRetry = std::chrono::seconds(1);

}  // namespace

TicketRotation::TicketRotation(uv::Loop& loop)
    : rings_(std::make_shared<const keyring::KeyRing>()), random_(keyring::private_random()) {
  timer_.open<&TicketRotation::on_timer>(loop, *this);
}

Result<void> TicketRotation::configure(const config::Tickets& tickets) {
  rotate_every_ = tickets.rotate_every;
  embedded_ = tickets.source == config::TicketSource::kEmbedded;
  if (!embedded_) {
    timer_.stop();
    publish(keyring::KeyRing());
    return {};
  }
  const keyring::AgePolicy policy{tickets.seal_max_age, tickets.open_max_age};
  const auto now = BootClock::now();
  if (rings_.latest()->entries().empty()) {
    auto ring = keyring::first_ring(now, policy, random_);
    if (!ring) {
      return Unexpected(std::move(ring).error());
    }
    publish(*std::move(ring));
  } else if (rings_.latest()->policy() != policy) {
    publish(keyring::with_policy(*rings_.latest(), policy));
  }
  arm();
  return {};
}

void TicketRotation::close() {
  timer_.close();
}

void TicketRotation::on_timer() {
  if (const auto rotated = rotate_if_due(); !rotated) {
    log::error("ticket key rotation failed; trying again", {{"error", rotated.error().message}});
    timer_.start(kRetry);
    return;
  }
  arm();
}

void TicketRotation::arm() {
  const auto due = keyring::next_due(*rings_.latest(), rotate_every_) - BootClock::now();
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(due);
  timer_.start(std::clamp(wait, std::chrono::milliseconds(0), kLookAgain));
}

Result<void> TicketRotation::rotate_if_due() {
  const auto now = BootClock::now();
  const auto ring = rings_.latest();
  if (now < keyring::next_due(*ring, rotate_every_)) {
    keyring::KeyRing rest = keyring::expire(*ring, now);
    if (rest.entries().size() < ring->entries().size()) {
      publish(std::move(
          rest));  // the expired keys are wiped when the last worker lets go of the old ring
    }
    return {};
  }
  auto rotated = keyring::rotate_embedded(*ring, now, random_);
  if (!rotated) {
    return Unexpected(std::move(rotated).error());
  }
  publish(*std::move(rotated));
  log::info("ticket key rotated", {{"version", rings_.latest()->version().version},
                                   {"keys", rings_.latest()->entries().size()}});
  return {};
}

void TicketRotation::publish(keyring::KeyRing ring) {
  rings_.publish(std::make_shared<const keyring::KeyRing>(std::move(ring)));
}

}  // namespace usher::server
