#include "proxy/keyring/ring_json.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "proxy/base/bytes.h"
#include "proxy/keyring/ring_codec.h"

namespace usher::keyring {
namespace {

using nlohmann::json;

// Milliseconds are what RING carries; finer digits would be noise.
double seconds(std::chrono::nanoseconds time) {
  return static_cast<double>(std::chrono::round<std::chrono::milliseconds>(time).count()) / 1000.0;
}

json limit_json(const std::optional<std::chrono::milliseconds>& limit) {
  return limit ? json(seconds(*limit)) : json(nullptr);
}

json keys_json(const KeyRing& ring, BootClock::time_point now) {
  const TicketKey* const sealing = ring.sealing_key(now);
  json keys = json::array();
  for (const KeyRing::Entry& entry : ring.entries()) {
    keys.push_back({{"name", hex(entry.key->name)},
                    {"epoch", entry.key->epoch},
                    {"state", name_of(entry.state)},
                    {"age_seconds", seconds(now - entry.key->created)},
                    {"seals", entry.key.get() == sealing},
                    {"opens", ring.opening_key(entry.key->name, now).has_value()}});
  }
  return keys;
}

}  // namespace

json ring_json(const KeyRing& ring, BootClock::time_point now) {
  const bool ours = ring.name_key() != nullptr;
  const bool revoked = ring.lineage_not_before() != UnixSeconds{};
  return {{"fleet", ours ? json(hex(ring.tag())) : json(nullptr)},
          {"term", ring.version().term},
          {"version", ring.version().version},
          {"digest", ours ? json(hex(digest_of(ring))) : json(nullptr)},
          {"seal_max_age_seconds", limit_json(ring.policy().seal_max_age)},
          {"open_max_age_seconds", limit_json(ring.policy().open_max_age)},
          {"lineage_not_before",
           revoked ? json(ring.lineage_not_before().time_since_epoch().count()) : json(nullptr)},
          {"keys", keys_json(ring, now)}};
}

const char* name_of(KeyState state) {
  switch (state) {
    case KeyState::kNext:
      return "next";
    case KeyState::kCurrent:
      return "current";
    case KeyState::kPrevious:
      return "previous";
  }
  return "previous";
}

}  // namespace usher::keyring
