#include "proxy/keyring/ring_changes.h"

#include <algorithm>
#include <string>
#include <utility>

#include "proxy/base/bytes.h"
#include "proxy/base/check.h"

namespace usher::keyring {
namespace {

using Version = KeyRing::Version;

// The parts of the ring that follows.
KeyRing::Parts parts_after(const KeyRing& ring) {
  KeyRing::Parts parts = ring.parts();
  ++parts.version.version;
  return parts;
}

KeyRing made_of(KeyRing::Parts parts) {
  auto made = KeyRing::make(std::move(parts));
  CHECK(made);  // the keys of a valid ring, or some of them
  return *std::move(made);
}

Result<void> check_sizes(const KeyRing& keys) {
  for (const KeyRing::Entry& entry : keys.entries()) {
    if (entry.key->size != KeySize::kAes256) {
      return fail("key " + hex(entry.key->name) +
                  " has 48 bytes (AES-128); only keys of 80 bytes can be imported");
    }
  }
  return {};
}

}  // namespace

const KeyRing::Entry* find_key(const KeyRing& ring, KeyState state) {
  const auto found = std::ranges::find(ring.entries(), state, &KeyRing::Entry::state);
  return found == ring.entries().end() ? nullptr : &*found;
}

const KeyRing::Entry* find_key(const KeyRing& ring, const KeyName& name) {
  const auto found = std::ranges::find_if(
      ring.entries(), [&](const KeyRing::Entry& entry) { return entry.key->name == name; });
  return found == ring.entries().end() ? nullptr : &*found;
}

KeyRing with_version(const KeyRing& ring, Version version) {
  KeyRing::Parts parts = ring.parts();
  parts.version = version;
  return made_of(std::move(parts));
}

Version above(Version own, Version heard) {
  return {heard.term > own.term ? heard.term + 1 : own.term,
          std::max(heard.version, own.version) + 1};
}

KeyRing without_key(const KeyRing& ring, const KeyName& name, UnixSeconds lineage_not_before) {
  KeyRing::Parts parts = parts_after(ring);
  std::erase_if(parts.entries,
                [&](const KeyRing::Entry& entry) { return entry.key->name == name; });
  parts.lineage_not_before = std::max(parts.lineage_not_before, lineage_not_before);
  return made_of(std::move(parts));
}

Result<KeyRing> revoke(const KeyRing& ring, const KeyName& name, BootClock::time_point now,
                       UnixSeconds lineage_not_before, const RandomSource& random) {
  const KeyRing::Entry* entry = find_key(ring, name);
  if (entry == nullptr) {
    return fail("there is no key " + hex(name));
  }
  KeyRing left = without_key(ring, name, lineage_not_before);  // now even a full ring has room
  if (entry->state != KeyState::kCurrent) {
    return left;
  }
  if (find_key(left, KeyState::kNext) == nullptr) {
    auto next = create_next(left, now, random);
    if (!next) {
      return next;
    }
    left = *std::move(next);
  }
  return promote(left);
}

Result<KeyRing> with_keys(const KeyRing& ring, const KeyRing& keys, bool replace) {
  if (auto sizes = check_sizes(keys); !sizes) {
    return Unexpected(std::move(sizes).error());
  }
  KeyRing::Parts parts = parts_after(ring);
  for (const KeyRing::Entry& entry : keys.entries()) {
    if (const KeyRing::Entry* same = find_key(ring, entry.key->name)) {
      if (!replace) {
        return fail("key " + hex(entry.key->name) +
                    " is there already; --replace takes the file's in its place");
      }
      if (same->state != KeyState::kPrevious) {
        return fail("key " + hex(entry.key->name) +
                    " is next or current and is not replaced; rotate first");
      }
      std::erase_if(parts.entries,
                    [&](const KeyRing::Entry& old) { return old.key->name == entry.key->name; });
    }
    parts.entries.push_back({entry.key, KeyState::kPrevious});
  }
  return KeyRing::make(std::move(parts));
}

Result<KeyRing> replaced_by(const KeyRing& ring, const KeyRing& keys) {
  if (auto sizes = check_sizes(keys); !sizes) {
    return Unexpected(std::move(sizes).error());
  }
  if (!keys.name_key()) {
    return fail("these keys come without a name key; only an usher export replaces a ring");
  }
  KeyRing::Parts parts = keys.parts();
  parts.version = parts_after(ring).version;
  parts.policy = ring.policy();
  parts.last_epoch = std::max(ring.highest_epoch(), keys.highest_epoch());
  parts.lineage_not_before = std::max(ring.lineage_not_before(), keys.lineage_not_before());
  for (KeyRing::Entry& entry : parts.entries) {
    if (entry.state == KeyState::kNext) {
      entry.state = KeyState::kPrevious;
    }
  }
  return KeyRing::make(std::move(parts));
}

}  // namespace usher::keyring
