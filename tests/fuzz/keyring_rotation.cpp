#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "proxy/base/check.h"
#include "proxy/keyring/ring_changes.h"

namespace {

using namespace usher::keyring;
using namespace std::chrono_literals;
using usher::BootClock;

constexpr AgePolicy kPolicy{3h, 9h};

// Distinct keys without a generator, so that an input runs the same way each time.
RandomSource numbered() {
  return [next = std::uint64_t{0}](std::span<std::byte> into) mutable {
    ++next;
    for (std::size_t i = 0; i < into.size(); ++i) {
      into[i] = static_cast<std::byte>(next >> (8 * (i % 8)));
    }
    return true;
  };
}

void check_keys(const KeyRing& ring, BootClock::time_point now) {
  const auto entries = ring.entries();
  CHECK(entries.size() <= kMaxKeys);
  CHECK(std::ranges::is_sorted(entries, {}, [](const auto& entry) { return entry.state; }));
  CHECK(std::ranges::count(entries, KeyState::kNext, &KeyRing::Entry::state) <= 1);
  CHECK(std::ranges::count(entries, KeyState::kCurrent, &KeyRing::Entry::state) <= 1);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const TicketKey& key = *entries[i].key;
    CHECK(i == 0 || key.epoch < entries[i - 1].key->epoch);
    CHECK(key.epoch <= ring.highest_epoch());
    CHECK((unmask_name(key.name, *ring.name_key()) == NameParts{ring.tag(), key.epoch}));
    const auto found = ring.opening_key(key.name, now);
    CHECK(found.has_value() == (now - key.created < *kPolicy.open_max_age));
    CHECK(!found || found->key == &key);
  }
  const TicketKey* sealing = ring.sealing_key(now);
  CHECK(sealing == nullptr || now - sealing->created < *kPolicy.seal_max_age);
}

KeyName any_name(const KeyRing& ring, std::uint8_t choice) {
  const auto entries = ring.entries();
  return entries.empty() ? KeyName{} : entries[choice % entries.size()].key->name;
}

// From one ring to the next nothing goes back, and names that were given out are never foreign.
void check_step(const KeyRing& before, const KeyRing& after, BootClock::time_point now) {
  check_keys(after, now);
  CHECK(after.highest_epoch() >= before.highest_epoch());
  CHECK(after.version() >= before.version());
  for (const KeyRing::Entry& entry : before.entries()) {
    CHECK(after.opening_key(entry.key->name, now) ||
          after.classify_unknown(entry.key->name) == UnknownName::kPast);
  }
}

}  // namespace

// Any order of transitions at any times, as operators, clocks and long sleeps make them: each byte
// is one. What a ring promises holds after each.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const RandomSource random = numbered();
  BootClock::time_point now{1000h};
  auto first = first_ring(now, kPolicy, random);
  CHECK(first);
  KeyRing ring = *first;
  for (const std::uint8_t byte : std::span(data, std::min<std::size_t>(size, 200))) {
    now += std::chrono::minutes(byte / 5);
    const int change = byte % 5;
    const KeyRing before = ring;
    const usher::UnixSeconds unix_time(std::chrono::seconds(1'700'000'000 + byte));
    auto step = [&]() -> usher::Result<KeyRing> {
      switch (change) {
        case 0:
          return create_next(ring, now, random);
        case 1:
          return promote(ring);
        case 2:
          return expire(ring, now);
        case 3:
          return rotate_embedded(ring, now, random);
        default:
          return revoke(ring, any_name(ring, byte), now, unix_time, random);
      }
    }();
    if (step) {
      ring = *std::move(step);
      CHECK(change == 2 || ring.version() > before.version());
      CHECK(change != 3 || ring.sealing_key(now) != nullptr);
      CHECK(ring.lineage_not_before() >= before.lineage_not_before());
    }
    check_step(before, ring, now);
  }
  return 0;
}
