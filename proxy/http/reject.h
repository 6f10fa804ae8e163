#pragma once

#include <cstdint>
#include <string_view>

namespace usher::http {

// Why a request was refused before any backend saw it; one each. Label `reason` of
// usher_http_rejected_total, field `reason` of the access line.
enum class Reject : std::uint8_t {
  kNone,
  kBadRequestLine,
  kBadMethod,      // CONNECT, TRACE: 405
  kBadTarget,      // neither origin-form, absolute-form nor "*"
  kBadAuthority,   // Host missing, repeated, malformed, or not the target's
  kBadVersion,     // 505
  kBadField,       // a byte, a name or a line end that RFC 9112 §5 does not allow; obs-fold
  kBadLength,      // Content-Length malformed, repeated with another value, or beside chunked
  kBadCoding,      // Transfer-Encoding other than one "chunked" in HTTP/1.1
  kBadChunk,       // chunked framing, or trailers
  kBadExpect,      // 417
  kHeadTooLarge,   // 431
  kTooManyFields,  // 431
  kHeadTimeout,    // 408
  kBodyTimeout,    // 408
  kBadFrame,       // HTTP/2 protocol error of a stream or connection
  kFlood,          // HTTP/2: more resets, settings, pings, empty frames than a client needs
};
inline constexpr std::size_t kRejects = 17;
std::string_view name_of(Reject reject);
unsigned status_of(Reject reject);

}  // namespace usher::http
