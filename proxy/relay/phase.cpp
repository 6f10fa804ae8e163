#include "proxy/relay/phase.h"

#include <array>

namespace usher::relay {
namespace {

constexpr std::array<std::string_view, kPhases> kNames = {"accepted",  "proxy_header", "hello",
                                                          "suspended", "handshaking",  "dialing",
                                                          "relaying",  "draining",     "closed"};
static_assert(static_cast<std::size_t>(Phase::kClosed) + 1 == kPhases);

constexpr std::uint16_t bit(Phase phase) {
  return static_cast<std::uint16_t>(1U << static_cast<unsigned>(phase));
}

template <class... Next>
constexpr std::uint16_t any_of(Next... next) {
  return static_cast<std::uint16_t>((bit(next) | ...));
}

// Row: from; bits: where to. Every open phase may be closed at once; whatever has something to say
// to the client before (an alert, the last bytes) goes by way of draining. HTTP has no phase of
// dialing: its requests look for backends one by one; without TLS it begins at once.
constexpr std::array<std::uint16_t, kPhases> kTransitions = {
    any_of(Phase::kProxyHeader, Phase::kHello, Phase::kRelaying, Phase::kClosed),  // kAccepted
    any_of(Phase::kHello, Phase::kRelaying, Phase::kClosed),                       // kProxyHeader
    any_of(Phase::kSuspended, Phase::kHandshaking, Phase::kDraining, Phase::kClosed),  // kHello
    any_of(Phase::kHandshaking, Phase::kDraining, Phase::kClosed),                     // kSuspended
    any_of(Phase::kDialing, Phase::kRelaying, Phase::kDraining, Phase::kClosed),  // kHandshaking
    any_of(Phase::kRelaying, Phase::kDraining, Phase::kClosed),                   // kDialing
    any_of(Phase::kDraining, Phase::kClosed),                                     // kRelaying
    any_of(Phase::kClosed),                                                       // kDraining
    0,                                                                            // kClosed
};

}  // namespace

std::string_view name_of(Phase phase) {
  return kNames.at(static_cast<std::size_t>(phase));
}

bool may_follow(Phase from, Phase to) {
  return (kTransitions.at(static_cast<std::size_t>(from)) & bit(to)) != 0;
}

}  // namespace usher::relay
