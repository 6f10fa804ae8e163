#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "keyd/fleet_state.h"
#include "keyd/stores.h"
#include "proxy/keyring/ring_changes.h"
#include "proxy/keyring/ring_codec.h"

// States to be stored, and what two of them have in common.
namespace usher::keyd::test {

using namespace std::chrono_literals;
using keyring::KeyRing;

inline StoreKey store_key(unsigned char filling = 7) {
  StoreKey key;
  std::ranges::fill(key.bytes(), std::byte{filling});
  return key;
}

inline Member member(std::string node, BootClock::time_point heard = BootClock::now(),
                     unsigned char start = 1) {
  Member made;
  made.node = std::move(node);
  made.instance.fill(std::byte{start});
  made.last_heard = heard;
  return made;
}

// A ring of that pair with a current and a next key, and members of those nodes (ascending).
inline FleetState state_of(KeyRing::Version version, const std::vector<std::string>& nodes = {},
                           BootClock::time_point now = BootClock::now()) {
  const keyring::RandomSource random = keyring::private_random();
  const KeyRing first = *keyring::first_ring(now - 2h, {3h, 9h}, random);
  const KeyRing ring = *keyring::create_next(first, now - 1h, random);
  FleetState state{keyring::with_version(ring, version), {}};
  for (const std::string& node : nodes) {
    state.members.push_back(member(node, now));
  }
  return state;
}

// The same state under the next version, as a rotation makes it.
inline FleetState following(FleetState state, std::uint64_t versions = 1) {
  const KeyRing::Version version = state.ring.version();
  state.ring = keyring::with_version(state.ring, {version.term, version.version + versions});
  return state;
}

inline std::vector<std::string> nodes_of(const FleetState& state) {
  std::vector<std::string> nodes;
  for (const Member& each : state.members) {
    nodes.push_back(each.node);
  }
  return nodes;
}

// Rings of the same pair and keys, the same members.
inline bool same(const FleetState& a, const FleetState& b) {
  return keyring::digest_of(a.ring) == keyring::digest_of(b.ring) && nodes_of(a) == nodes_of(b);
}

}  // namespace usher::keyd::test
