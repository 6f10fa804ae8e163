// The operator's hand on the fleet.
#include <algorithm>
#include <utility>

#include "keyd/daemon.h"
#include "proxy/base/bytes.h"
#include "proxy/base/log.h"
#include "proxy/keyring/ring_changes.h"

namespace usher::keyd {

void Daemon::rotate(bool at_once, const Done& done) {
  if (auto refused = refusal()) {
    done(Unexpected(*std::move(refused)));
    return;
  }
  if (const auto rotated = fleet_->rotate(at_once, BootClock::now()); !rotated) {
    done(Unexpected(CommandRefusal{409, rotated.error().message}));
    return;
  }
  when_durable(0, done);
}

void Daemon::revoke(const keyring::KeyName& name, const Done& done) {
  if (auto refused = refusal()) {
    done(Unexpected(*std::move(refused)));
    return;
  }
  if (keyring::find_key(fleet_->ring(), name) == nullptr) {
    done(Unexpected(
        CommandRefusal{404, "there is no key " + hex(name) + "; `usherctl keys show` lists them"}));
    return;
  }
  if (const auto revoked = fleet_->revoke(name, BootClock::now(), unix_now()); !revoked) {
    done(Unexpected(CommandRefusal{503, revoked.error().message}));
    return;
  }
  log::warning("ticket key revoked; sessions that began until now resume no more",
               {{"key", hex(name)}});
  when_durable(0, done);
}

void Daemon::import_keys(keyring::KeyFileFormat format, SecretBuffer bytes, bool replace,
                         const Done& done) {
  if (auto refused = refusal()) {
    done(Unexpected(*std::move(refused)));
    return;
  }
  std::vector<keyring::KeyFile> files;
  files.push_back({"the imported file", std::move(bytes), BootClock::now(), unix_now()});
  const auto keys = keyring::parse_key_files(format, files, 1, policy_.ages);
  if (!keys) {
    done(Unexpected(CommandRefusal{400, keys.error().message}));
    return;
  }
  const auto imported = fleet_->import_keys(*keys, format, replace, BootClock::now());
  if (!imported) {
    done(Unexpected(CommandRefusal{409, imported.error().message}));
    return;
  }
  log::info("ticket keys imported", {{"keys", *imported}});
  when_durable(*imported, done);
}

void Daemon::forget(const std::string& node, const Done& done) {
  if (auto refused = refusal()) {
    done(Unexpected(*std::move(refused)));
    return;
  }
  const auto forgotten = fleet_->forget(node, BootClock::now());
  if (forgotten.empty()) {
    done(Unexpected(CommandRefusal{
        404, "there is no node \"" + node + "\"; `usherctl nodes show` lists them"}));
    return;
  }
  when_durable(forgotten.size(), done);
}

std::optional<Daemon::CommandRefusal> Daemon::refusal() const {
  switch (role_) {
    case Role::kLeading:
      return std::nullopt;
    case Role::kFollowing:
      return CommandRefusal{409, "this usher-keyd stands by; the leader is " + leader_};
    case Role::kStarting:
    case Role::kLost:
    case Role::kStopped:
      break;
  }
  return CommandRefusal{503, "this usher-keyd does not lead: " + trouble_};
}

void Daemon::when_durable(std::size_t count, const Done& done) {
  waiters_.push_back({fleet_->revision(), count, done});
  step();
}

void Daemon::settle() {
  const auto settled =
      std::partition(waiters_.begin(), waiters_.end(),
                     [this](const Waiter& waiter) { return waiter.revision > saved_revision_; });
  const std::vector<Waiter> now(settled, waiters_.end());
  waiters_.erase(settled, waiters_.end());
  for (const Waiter& waiter : now) {
    waiter.done(Changed{ring_->version(), waiter.count});
  }
}

void Daemon::fail_waiters(const CommandRefusal& refusal) {
  for (const Waiter& waiter : std::exchange(waiters_, {})) {
    waiter.done(Unexpected(refusal));
  }
}

}  // namespace usher::keyd
