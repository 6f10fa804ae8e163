#pragma once

#include "proxy/base/clock.h"
#include "proxy/base/result.h"
#include "proxy/keyring/key_ring.h"
#include "proxy/keyring/rotation.h"

// Changes of a ring that an operator or a fleet asks for; the regular ones are in rotation.h. Each
// is pure and gives a new ring with a higher version and the policy of `ring`.
namespace usher::keyring {

const KeyRing::Entry* find_key(const KeyRing& ring, KeyState state);  // null: none
const KeyRing::Entry* find_key(const KeyRing& ring, const KeyName& name);

KeyRing with_version(const KeyRing& ring, KeyRing::Version version);
// The pair for a ring that must be above its own and above one that was heard of (DESIGN §5
// "rollback"): the own term where that suffices, else the term after the heard one.
KeyRing::Version above(KeyRing::Version own, KeyRing::Version heard);

// Without the key; every lineage that began at or before `lineage_not_before` ends. That limit
// never falls.
KeyRing without_key(const KeyRing& ring, const KeyName& name, UnixSeconds lineage_not_before);
// The same, and when the key was current, next (created if there is none) seals at once. Refused:
// no such key; what create_next refuses.
Result<KeyRing> revoke(const KeyRing& ring, const KeyName& name, BootClock::time_point now,
                       UnixSeconds lineage_not_before, const RandomSource& random);

// With the keys of another ring as `previous`: they open and never seal. A name that is there
// already is refused, or with `replace` its key gives way if it only opens. Refused besides:
// 128-bit keys, more than kMaxKeys.
Result<KeyRing> with_keys(const KeyRing& ring, const KeyRing& keys, bool replace);
// With the keys, names, epochs of another ring (an `usher` export) in place of the own ones. Its
// current key seals at once; its next, which others may seal with, opens as previous. Refused: a
// ring without name key, 128-bit keys.
Result<KeyRing> replaced_by(const KeyRing& ring, const KeyRing& keys);

}  // namespace usher::keyring
