#include "proxy/keyring/key_ring.h"

#include <algorithm>
#include <ranges>
#include <utility>

namespace usher::keyring {
namespace {

bool same_key(const TicketKey& a, const TicketKey& b) {
  return a.name == b.name || std::ranges::equal(a.aes_bytes(), b.aes_bytes()) ||
         std::ranges::equal(a.hmac_bytes(), b.hmac_bytes());
}

int rank(KeyState state) {
  return static_cast<int>(state);
}

Result<void> check_entries(const std::vector<KeyRing::Entry>& entries) {
  if (entries.size() > kMaxKeys) {
    return fail("a key ring holds at most " + std::to_string(kMaxKeys) + " keys");
  }
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const TicketKey& key = *entries[i].key;
    if (all_zero(key.aes_bytes()) || all_zero(key.hmac_bytes())) {
      return fail("a key of all zero bytes");
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (same_key(key, *entries[j].key)) {
        return fail("the same key, or the same key name, twice");
      }
    }
  }
  for (const KeyState single : {KeyState::kNext, KeyState::kCurrent}) {
    if (std::ranges::count(entries, single, &KeyRing::Entry::state) > 1) {
      return fail(single == KeyState::kNext ? "more than one next key"
                                            : "more than one current key");
    }
  }
  return {};
}

}  // namespace

Result<KeyRing> KeyRing::make(Parts parts) {
  std::vector<Entry>& entries = parts.entries;
  if (parts.name_key && all_zero(parts.name_key->bytes())) {
    return fail("a name key of all zero bytes");
  }
  if (auto checked = check_entries(entries); !checked) {
    return Unexpected(std::move(checked).error());
  }
  std::ranges::stable_sort(entries, [](const Entry& a, const Entry& b) {
    return std::pair(rank(a.state), b.key->epoch) < std::pair(rank(b.state), a.key->epoch);
  });
  KeyRing ring;
  ring.highest_epoch_ = parts.last_epoch;
  for (const Entry& entry : entries) {
    ring.highest_epoch_ = std::max(ring.highest_epoch_, entry.key->epoch);
  }
  ring.entries_ = std::move(entries);
  ring.version_ = parts.version;
  ring.policy_ = parts.policy;
  ring.tag_ = parts.tag;
  ring.name_key_ = std::move(parts.name_key);
  ring.lineage_not_before_ = parts.lineage_not_before;
  return ring;
}

KeyRing::Parts KeyRing::parts() const {
  return {version_, entries_, policy_, tag_, name_key_, highest_epoch_, lineage_not_before_};
}

const TicketKey* KeyRing::sealing_key(BootClock::time_point now) const {
  const auto current = std::ranges::find(entries_, KeyState::kCurrent, &Entry::state);
  if (current == entries_.end() ||
      (policy_.seal_max_age && now - current->key->created >= *policy_.seal_max_age)) {
    return nullptr;
  }
  return current->key.get();
}

std::optional<KeyRing::Found> KeyRing::opening_key(const KeyName& name,
                                                   BootClock::time_point now) const {
  for (const Entry& entry : entries_) {
    if (entry.key->name == name) {
      if (policy_.open_max_age && now - entry.key->created >= *policy_.open_max_age) {
        return std::nullopt;
      }
      return Found{entry.key.get(), entry.state};
    }
  }
  return std::nullopt;
}

UnknownName KeyRing::classify_unknown(const KeyName& name) const {
  if (!name_key_) {
    return UnknownName::kForeign;
  }
  const NameParts parts = unmask_name(name, *name_key_);
  if (parts.tag != tag_) {
    return UnknownName::kForeign;
  }
  return parts.epoch > highest_epoch_ ? UnknownName::kFuture : UnknownName::kPast;
}

}  // namespace usher::keyring
