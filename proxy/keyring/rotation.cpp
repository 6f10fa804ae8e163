#include "proxy/keyring/rotation.h"

#include <openssl/rand.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "proxy/base/bytes.h"
#include "proxy/keyring/ring_changes.h"

namespace usher::keyring {
namespace {

Unexpected<Error> no_randomness() {
  return fail("the random generator failed");
}

Result<TicketKeyPtr> make_key(const FleetTag& tag, std::uint32_t epoch, const NameKey& name_key,
                              BootClock::time_point now, const RandomSource& random) {
  auto key = std::make_shared<TicketKey>();
  NameSalt salt{};
  if (!random(salt) || !random(key->aes.bytes()) || !random(key->hmac.bytes())) {
    return no_randomness();
  }
  key->epoch = epoch;
  key->name = mask_name({tag, epoch}, salt, name_key);
  key->created = now;
  return TicketKeyPtr(std::move(key));
}

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

}  // namespace

RandomSource private_random() {
  return [](std::span<std::byte> into) {
    return RAND_priv_bytes(writable_uchars(into), static_cast<int>(into.size())) == 1;
  };
}

Result<KeyRing> first_ring(BootClock::time_point now, AgePolicy policy,
                           const RandomSource& random) {
  FleetTag tag{};
  auto name_key = std::make_shared<NameKey>();
  if (!random(tag) || !random(name_key->bytes())) {
    return no_randomness();
  }
  auto key = make_key(tag, 1, *name_key, now, random);
  if (!key) {
    return Unexpected(std::move(key).error());
  }
  return KeyRing::make(
      {{1, 1}, {{*std::move(key), KeyState::kCurrent}}, policy, tag, std::move(name_key)});
}

Result<KeyRing> create_next(const KeyRing& ring, BootClock::time_point now,
                            const RandomSource& random) {
  if (find_key(ring, KeyState::kNext) != nullptr) {
    return fail("there is a next key already; promote it first");
  }
  if (ring.entries().size() >= kMaxKeys) {
    return fail("the ring is full; wait until its oldest key expires");
  }
  if (!ring.name_key()) {
    return fail("a ring without a name key cannot name new keys");
  }
  if (ring.highest_epoch() == std::numeric_limits<std::uint32_t>::max()) {
    return fail("the ring's epochs are used up; begin a new ring");
  }
  auto key = make_key(ring.tag(), ring.highest_epoch() + 1, *ring.name_key(), now, random);
  if (!key) {
    return Unexpected(std::move(key).error());
  }
  KeyRing::Parts parts = parts_after(ring);
  parts.entries.push_back({*std::move(key), KeyState::kNext});
  return KeyRing::make(std::move(parts));
}

Result<KeyRing> promote(const KeyRing& ring) {
  if (find_key(ring, KeyState::kNext) == nullptr) {
    return fail("there is no next key to promote");
  }
  KeyRing::Parts parts = parts_after(ring);
  for (KeyRing::Entry& entry : parts.entries) {
    entry.state = entry.state == KeyState::kNext ? KeyState::kCurrent : KeyState::kPrevious;
  }
  return made_of(std::move(parts));
}

KeyRing expire(const KeyRing& ring, BootClock::time_point now) {
  KeyRing::Parts parts = parts_after(ring);
  const auto limit = ring.policy().open_max_age;
  const auto gone = std::erase_if(parts.entries, [&](const KeyRing::Entry& entry) {
    return limit && now - entry.key->created >= *limit;
  });
  return gone == 0 ? ring : made_of(std::move(parts));
}

KeyRing with_policy(const KeyRing& ring, AgePolicy policy) {
  KeyRing::Parts parts = parts_after(ring);
  parts.policy = policy;
  return made_of(std::move(parts));
}

Result<KeyRing> rotate_embedded(const KeyRing& ring, BootClock::time_point now,
                                const RandomSource& random) {
  KeyRing room = expire(ring, now);  // all of them after a long sleep
  if (room.entries().size() >=
      kMaxKeys) {  // policy keeps this away; an old key must not block a new one
    KeyRing::Parts parts = room.parts();
    parts.entries.pop_back();
    room = made_of(std::move(parts));
  }
  auto next = create_next(room, now, random);
  if (!next) {
    return next;
  }
  return promote(*next);
}

BootClock::time_point next_due(const KeyRing& ring, std::chrono::milliseconds rotate_every) {
  const KeyRing::Entry* current = find_key(ring, KeyState::kCurrent);
  return current == nullptr ? BootClock::time_point{} : current->key->created + rotate_every;
}

}  // namespace usher::keyring
