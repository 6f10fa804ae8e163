#pragma once

#include <chrono>
#include <functional>
#include <span>

#include "proxy/base/clock.h"
#include "proxy/base/result.h"
#include "proxy/keyring/key_ring.h"

namespace usher::keyring {

// Fills the span with random bytes; false when the generator failed. Tests pass a counter.
using RandomSource = std::function<bool(std::span<std::byte>)>;
RandomSource private_random();  // RAND_priv_bytes of the thread's default library context

// The transitions of a ring (DESIGN §5), each pure: ring × now × randomness → ring with the next
// version. Never a wall clock. Refused: `create_next` while a next key exists, at kMaxKeys, or when
// the random bytes repeat a key.
Result<KeyRing> first_ring(BootClock::time_point now, AgePolicy policy, const RandomSource& random);
Result<KeyRing> create_next(const KeyRing& ring, BootClock::time_point now,
                            const RandomSource& random);
Result<KeyRing> promote(const KeyRing& ring);  // next → current, current → previous; needs a next
KeyRing expire(const KeyRing& ring,
               BootClock::time_point now);  // drops keys beyond open_max_age (current too)
KeyRing with_policy(const KeyRing& ring, AgePolicy policy);

// In-process rotation (tickets.source = "embedded"): one ring for all workers, which see a
// published ring at their next ticket; so create and promote may follow at once. When to call
// again: `next_due`.
Result<KeyRing> rotate_embedded(const KeyRing& ring, BootClock::time_point now,
                                const RandomSource& random);
BootClock::time_point next_due(const KeyRing& ring, std::chrono::milliseconds rotate_every);

}  // namespace usher::keyring
