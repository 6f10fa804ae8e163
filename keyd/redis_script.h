#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "keyd/state_codec.h"
#include "proxy/keyring/key_ring.h"
#include "proxy/redis/reply.h"

namespace usher::keyd {

// What a keyd does in Redis, each as one Lua script and so at one instant. Under
// "{usher:keyd:FLEET}:" lie
//
//   lease    string TOKEN|NAME of the keyd that leads, with an expiry
//   term     the highest term that was ever taken or saved (decimal)
//   state    hash: id TOKEN-COUNT of the save | term | version | sealed (sealed_state.h)
//   reports  hash: keyd → sealed reports; those of keyds that have not reported for an hour go
//   report_ids  hash: keyd → TIME-RANDOM of its last ones; "last" → the id of whoever's last
//
// Works with Redis ≥ 5. An ACL user needs ~{usher:keyd:FLEET}:* +eval +time +get +set +incr +exists
// +pexpire +del +hset +hget +hmget +hgetall +hdel.
enum class StoreAction {
  kLook,  // only the view
  kTake,  // the lease, if nobody has it and the state is the known one; floor of the term
  kHold,  // renew ("1") or only confirm ("0") one's lease
  // Id, term, version, sealed. Only with one's lease, over the known state, never over a higher
  // pair: so a save that comes late, from a connection that was given up, changes nothing.
  kSave,
  kReport,   // sealed reports, random text
  kRelease,  // one's lease
};

// What a script is told beside its action's own arguments.
struct StoreCall {
  std::string_view lease;  // one's own value, "" when not leading
  std::chrono::milliseconds lease_time{};
  std::string_view known_id;           // a state of this id is not sent again
  std::string_view known_last_report;  // nor are reports while their last id is this
  std::string_view keyd;               // one's own name in `reports`
  bool wants_reports = false;
};

// EVAL and its arguments for the fleet.
std::vector<std::string> script_command(StoreAction action, const std::string& fleet,
                                        const StoreCall& call,
                                        const std::vector<std::string_view>& arguments);

enum class Verdict {
  kDone,
  kLost,     // the lease is not one's own (any more)
  kTaken,    // somebody has the lease
  kChanged,  // the state is not the known one: look first
  kNewer,    // a higher pair is stored
};

// What a script answers: the store right after it.
struct StoreView {
  Verdict verdict = Verdict::kDone;
  std::uint64_t term = 0;  // kTake: the one that was taken
  std::string lease;       // "": nobody leads
  WallTime time{};         // Redis' clock, the one all keyds of a fleet share
  std::string id;          // of the state; "": there is none
  keyring::KeyRing::Version version;
  std::string sealed;  // "" when the id is the known one
  std::string last_report;
  std::string own_report;
  std::vector<std::pair<std::string, std::string>> reports;  // keyd, sealed
};

extern const redis::Expected kStoreViewExpected;
// None for anything that the scripts do not answer.
std::optional<StoreView> view_of(redis::Reply reply);

}  // namespace usher::keyd
