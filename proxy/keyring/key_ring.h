#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "proxy/base/result.h"
#include "proxy/keyring/key_name.h"
#include "proxy/keyring/ticket_key.h"

namespace usher::keyring {

// How long keys serve, counted from their creation. `none` for a limit that does not apply (file
// keys).
struct AgePolicy {
  std::optional<std::chrono::milliseconds> seal_max_age;
  std::optional<std::chrono::milliseconds> open_max_age;
  bool operator==(const AgePolicy&) const = default;
};

// What an unknown key name tells (hints from strangers, DESIGN §5).
enum class UnknownName : std::uint8_t { kFuture, kPast, kForeign };

inline constexpr std::size_t kMaxKeys = 64;

// Rings from outside have no longer limit, no older key and no later time: so sums with them stay
// far from the clocks' bounds.
inline constexpr std::chrono::milliseconds kAgeMax = std::chrono::years(10);
inline constexpr UnixSeconds kUnixTimeMax{std::chrono::seconds(std::int64_t{1} << 40)};

// The keys that tickets are sealed and opened with: at most one `next` (opens only), one `current`
// (seals, opens), then `previous` ones (open only). An immutable value; an empty ring is valid and
// seals nothing. Thread: any. Time is an argument.
class KeyRing {
 public:
  struct Entry {
    TicketKeyPtr key;
    KeyState state = KeyState::kPrevious;
  };
  struct Version {  // ordered by term, then version
    std::uint64_t term = 0;
    std::uint64_t version = 0;
    auto operator<=>(const Version&) const = default;
  };
  struct Found {
    const TicketKey* key = nullptr;  // lives as long as the ring
    KeyState state = KeyState::kPrevious;
  };

  // What a ring is made of.
  struct Parts {
    Version version;
    std::vector<Entry> entries;
    AgePolicy policy;
    FleetTag tag{};
    // Null: keys of others, every unknown name is foreign.
    std::shared_ptr<const NameKey> name_key{};
    std::uint32_t last_epoch =
        0;  // the highest that any key of this ring had, also one that is gone
    // Lineages that began at or before are not resumed (a revocation); the epoch: no limit.
    UnixSeconds lineage_not_before{};
  };

  KeyRing() = default;  // empty: tells every name foreign

  // Refuses more than kMaxKeys, more than one next or current, duplicate names or keys, all-zero
  // keys (name_key too).
  static Result<KeyRing> make(Parts parts);
  // What it was made of; the keys are shared.
  Parts parts() const;

  // The current key while younger than seal_max_age; null otherwise: then no ticket is issued.
  const TicketKey* sealing_key(BootClock::time_point now) const;
  // The key of that name while younger than open_max_age. Constant time is not needed: names are
  // public.
  std::optional<Found> opening_key(const KeyName& name, BootClock::time_point now) const;
  UnknownName classify_unknown(const KeyName& name) const;

  std::span<const Entry> entries() const {
    return entries_;
  }  // next, current, previous by falling epoch
  Version version() const { return version_; }
  const AgePolicy& policy() const { return policy_; }
  const FleetTag& tag() const { return tag_; }
  const std::shared_ptr<const NameKey>& name_key() const { return name_key_; }
  // Never falls, though keys expire: so a new key's name is new and an expired one's is past.
  std::uint32_t highest_epoch() const { return highest_epoch_; }
  UnixSeconds lineage_not_before() const { return lineage_not_before_; }

 private:
  std::vector<Entry> entries_;
  Version version_;
  AgePolicy policy_;
  std::uint32_t highest_epoch_ = 0;
  UnixSeconds lineage_not_before_{};
  FleetTag tag_{};
  std::shared_ptr<const NameKey> name_key_;
};

}  // namespace usher::keyring
