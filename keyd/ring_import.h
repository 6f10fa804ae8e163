#pragma once

#include "proxy/base/result.h"
#include "proxy/keyring/key_file.h"
#include "proxy/keyring/key_ring.h"

namespace usher::keyd {

// `keys`, read from a file, beside those of `ring` or (kUsher) in their place, with the next
// version. None of them seals at once, for the fleet does not know them yet: of a whole ring the
// current key comes in as `next`, and ours seals until that is promoted; keys of other formats only
// open. Refused: what keyring::with_keys and replaced_by refuse; kUsher without `replace`.
Result<keyring::KeyRing> with_imported(const keyring::KeyRing& ring, const keyring::KeyRing& keys,
                                       keyring::KeyFileFormat format, bool replace);

}  // namespace usher::keyd
