#include "keyd/ring_import.h"

#include <utility>

#include "proxy/keyring/ring_changes.h"

namespace usher::keyd {

using keyring::KeyRing;
using keyring::KeyState;

Result<KeyRing> with_imported(const KeyRing& ring, const KeyRing& keys,
                              keyring::KeyFileFormat format, bool replace) {
  if (format != keyring::KeyFileFormat::kUsher) {
    return keyring::with_keys(ring, keys, replace);
  }
  if (!replace) {
    return fail("there is a ring already; --replace takes the file's in its place");
  }
  auto replaced = keyring::replaced_by(ring, keys);
  const KeyRing::Entry* ours = keyring::find_key(ring, KeyState::kCurrent);
  if (!replaced || ours == nullptr) {
    return replaced;
  }
  KeyRing::Parts parts = replaced->parts();
  bool seals_still = false;
  for (KeyRing::Entry& entry : parts.entries) {
    if (entry.key->name == ours->key->name) {
      entry = *ours;
      seals_still = true;
    } else if (entry.state == KeyState::kCurrent) {
      entry.state = KeyState::kNext;
    }
  }
  if (!seals_still) {
    parts.entries.push_back(*ours);
  }
  return KeyRing::make(std::move(parts));
}

}  // namespace usher::keyd
