#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "keyd/fleet.h"
#include "proxy/keyring/ring_changes.h"

// A fleet with a clock of its own and a store that makes durable when told. Pure.
namespace usher::keyd::test {

using namespace std::chrono_literals;

inline constexpr BootClock::time_point kStart{1000h};
inline const FleetPolicy kPolicy{{3h, 9h}, 1h, 10min};

// No two results are equal.
inline keyring::RandomSource counting() {
  return [next = std::uint64_t{0}](std::span<std::byte> into) mutable {
    ++next;
    std::ranges::fill(into, std::byte{0x5a});
    std::memcpy(into.data(), &next, std::min(into.size(), sizeof next));
    return true;
  };
}

inline MemberId id(std::string node, unsigned char start = 1) {
  MemberId made{std::move(node), {}};
  made.instance.fill(std::byte{start});
  return made;
}

class TestFleet {
 public:
  explicit TestFleet(std::optional<FleetState> state = {}, std::uint64_t term = 1,
                     FleetPolicy policy = kPolicy, BootClock::time_point start = kStart)
      : now(start), fleet(*Fleet::lead(std::move(state), term, policy, start, counting())) {
    save();
  }

  // What is wanted becomes durable, again and again until nothing changes.
  void save() {
    while (saved_revision != fleet.revision()) {
      saved_revision = fleet.revision();
      fleet.saved(fleet.ring().version(), now);
    }
    collect();
  }
  void join(const MemberId& member) {
    ASSERT_TRUE(fleet.hello(member, now));
    save();
    apply(member);
  }
  // The member answers the ring of now.
  void apply(const MemberId& member) {
    EXPECT_TRUE(
        fleet.applied(member, fleet.ring().version(), keyring::digest_of(fleet.ring()), now));
    save();
  }
  // All members are heard all the while, except those named.
  void pass(std::chrono::nanoseconds time, std::vector<std::string> silent = {}) {
    for (const auto end = now + time; now < end;) {
      now = std::min(end, now + 1s);
      for (const auto& [member, seat] : fleet.members()) {
        if (std::ranges::find(silent, member.node) == silent.end()) {
          fleet.heard(member, now);
        }
      }
      fleet.tick(now);
      save();
    }
  }
  void collect() {
    for (Effect& effect : fleet.take_effects()) {
      effects.push_back(std::move(effect));
    }
  }
  template <class T>
  std::vector<T> told() {
    collect();
    std::vector<T> found;
    for (const Effect& effect : effects) {
      if (const T* wanted = std::get_if<T>(&effect)) {
        found.push_back(*wanted);
      }
    }
    return found;
  }

  std::uint32_t current_epoch() const { return epoch_of(keyring::KeyState::kCurrent); }
  std::uint32_t next_epoch() const { return epoch_of(keyring::KeyState::kNext); }
  std::vector<std::string> waiting_for() const {
    const auto held = fleet.held();
    return held ? held->waiting_for : std::vector<std::string>{};
  }

  BootClock::time_point now;
  Fleet fleet;
  std::uint64_t saved_revision = 0;
  std::vector<Effect> effects;

 private:
  std::uint32_t epoch_of(keyring::KeyState state) const {
    const auto* entry = keyring::find_key(fleet.ring(), state);
    return entry == nullptr ? 0 : entry->key->epoch;
  }
};

}  // namespace usher::keyd::test
