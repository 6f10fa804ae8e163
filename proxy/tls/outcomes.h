#pragma once

#include <cstdint>
#include <string_view>

// The nouns of TLS results, one spelling for code, metric labels and log fields (CONTRACT,
// Metrics).
namespace usher::tls {

// What one step of a session came to; the only four things a caller must tell apart.
enum class IoOutcome : std::uint8_t {
  kProgress,   // done, or bytes moved
  kBlocked,    // needs more input, or room in the output
  kPeerEnded,  // close_notify
  kFailed,     // TlsSession::failure() tells
};

// How a completed handshake began: label `resumption`.
enum class Resumption : std::uint8_t { kNone, kTicket, kSessionId, kPsk };
inline constexpr std::size_t kResumptions = 4;
std::string_view name_of(Resumption resumption);  // "none" "ticket" "session_id" "psk"

// What the client brought: label `kind`.
enum class OfferKind : std::uint8_t { kNone, kTicket, kSessionId };
inline constexpr std::size_t kOfferKinds = 3;
std::string_view name_of(OfferKind kind);

// What became of an offered resumption, exactly one per connection that offered: label `outcome`.
enum class OfferOutcome : std::uint8_t {
  kResumed,
  kUnknownFuture,
  kUnknownPast,
  kUnknownForeign,
  kBadMac,
  kExpired,
  kLineage,
  kDomain,
  kVersion,
  kCipher,
  kNotFound,
  kTimeout,
  kForeign,
  kOther,
};
inline constexpr std::size_t kOfferOutcomes = 14;
std::string_view name_of(OfferOutcome outcome);

// Why a handshake (or the TLS layer later) failed: label `reason` of
// usher_handshake_failures_total.
enum class TlsFailure : std::uint8_t {
  kNone,
  kNotTls,             // the first bytes are no TLS record (plain HTTP, SSH, …)
  kVersion,            // no common protocol version
  kNoSharedCipher,     // cipher suites, groups or signature algorithms
  kAlpn,               // RFC 7301 no_application_protocol
  kHelloTooLarge,      // ClientHello above the bound, or endless fragments
  kMalformed,          // decode errors, illegal parameters, bad records
  kClientCertMissing,  // required but absent
  kClientCertUnknownCa,
  kClientCertExpired,
  kClientCertRevoked,
  kClientCertInvalid,  // anything else wrong with it (depth, purpose, signature, no CRL)
  kAlertReceived,      // the client refused (bad_certificate, unknown_ca, …)
  kKeyUpdateFlood,     // > 64 KeyUpdates without data
  kInternal,
};
inline constexpr std::size_t kTlsFailures = 15;
std::string_view name_of(TlsFailure failure);

}  // namespace usher::tls
