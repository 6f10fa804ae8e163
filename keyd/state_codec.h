#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <vector>

#include "keyd/fleet_state.h"
#include "keyd/store.h"
#include "proxy/base/clock.h"
#include "proxy/base/result.h"
#include "proxy/base/secret.h"

namespace usher::keyd {

// A fleet's state and reports as bytes, before they are sealed (sealed_state.h). Big-endian:
//
//   state    format 1 (=1) | saved_at 8 (Unix ms) | ring bytes 2 | ring (ring_codec.h)
//            | departed 2 | departed × { node bytes 1 | node | instance 8 | age ms 8 }
//            | members 2 | members × member, ascending by node, then instance
//   reports  format 1 (=1) | saved_at 8 | reports 2 | reports × { gone 1 (0, 1) | member }
//   member   node bytes 1 (1-255) | node | instance 8 | age of last_heard ms 8
//            | 0 1, or 1 1 | applied: term 8 | version 8 | digest 32
//            | 0 1, or 1 1 | age of next_pushed ms 8
//
// Ages go on while nobody runs: what is read is older by the wall clock's time since saved_at, by
// nothing if that clock went back. Thread: any.
using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;

// One instant on both clocks. `wall` must be the same clock for all who share a store.
struct Moment {
  BootClock::time_point boot;
  WallTime wall;
};
Moment moment_now();  // this machine's clocks

inline constexpr std::size_t kStoredMembersMax = 4096;
inline constexpr std::size_t kStoredDeparturesMax = 1024;
// Full ring, most members and departures, longest nodes: 1.7 MB.
inline constexpr std::size_t kStateBytesMax = 1'800'000;

// Refuses more members or departures, nodes of other lengths and a ring without a name key.
Result<SecretBuffer> encode_state(const FleetState& state, Moment now);
// Exact size and order, known formats and flags; errors say what is wrong, never key bytes.
Result<FleetState> decode_state(std::span<const std::byte> bytes, Moment now);

Result<SecretBuffer> encode_reports(const std::vector<Report>& reports, Moment now);
Result<std::vector<Report>> decode_reports(std::span<const std::byte> bytes, Moment now);

}  // namespace usher::keyd
