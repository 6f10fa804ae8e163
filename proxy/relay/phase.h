#pragma once

#include <cstdint>
#include <string_view>

namespace usher::relay {

// The life of a connection (DESIGN §4): what it waits for. Label `phase`.
enum class Phase : std::uint8_t {
  kAccepted,
  kProxyHeader,  // the PROXY header of a trusted proxy
  kHello,        // the ClientHello
  kSuspended,    // the session that the client asks for by its id
  kHandshaking,
  kDialing,  // a backend's connect
  kRelaying,
  kDraining,  // last bytes and close_notify on their way out
  kClosed,
};
inline constexpr std::size_t kPhases = 9;
std::string_view name_of(Phase phase);

// The one transition table; Connection::enter() checks against it.
bool may_follow(Phase from, Phase to);

}  // namespace usher::relay
