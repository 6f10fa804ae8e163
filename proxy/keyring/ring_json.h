#pragma once

#include <nlohmann/json_fwd.hpp>

#include "proxy/base/clock.h"
#include "proxy/keyring/key_ring.h"

namespace usher::keyring {

// What operators may see of a ring, never key bytes: the ring's part of GET /keys on both control
// sockets, and of /status. `fleet` and `digest` are null for a ring of files and the empty one,
// limits and `lineage_not_before` (Unix time) null when there is none. Ages in seconds. A key
// `seals` or `opens` when it does so at `now`, by its state and the ring's limits.
nlohmann::json ring_json(const KeyRing& ring, BootClock::time_point now);

// "next", "current", "previous": metric labels, JSON and tables.
const char* name_of(KeyState state);

}  // namespace usher::keyring
