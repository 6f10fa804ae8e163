#pragma once

#include <array>

#include "proxy/metrics/keyd_names.h"
#include "proxy/metrics/resumption_names.h"
#include "proxy/metrics/spec.h"

// Every metric that Usher exposes, in one table (usher-keyd's own: keyd_names.h, of tickets and
// session caches: resumption_names.h): base units, label names in order. To add one: a Spec here,
// its place in kSpecs, and a cell registered where it is counted.
namespace usher::metrics {

inline constexpr Spec kHandshakes{"usher_handshakes_total",
                                  Kind::kCounter,
                                  {"listener", "version", "resumption"},
                                  "Completed TLS handshakes."};
inline constexpr Spec kHandshakeFailures{"usher_handshake_failures_total",
                                         Kind::kCounter,
                                         {"listener", "reason"},
                                         "TLS handshakes that failed."};
inline constexpr Spec kHandshakeSeconds{"usher_handshake_seconds",
                                        Kind::kHistogram,
                                        {"listener", "resumption"},
                                        "From accept to the end of the TLS handshake."};
inline constexpr Spec kResumptionOffers{
    "usher_resumption_offers_total",
    Kind::kCounter,
    {"listener", "kind", "outcome"},
    "What became of each offered resumption; one per connection."};
inline constexpr Spec kConnections{
    "usher_connections", Kind::kGauge, {"listener", "phase"}, "Client connections by phase."};
inline constexpr Spec kConnectionsTotal{
    "usher_connections_total", Kind::kCounter, {"listener"}, "Accepted client connections."};
inline constexpr Spec kCloses{"usher_closes_total",
                              Kind::kCounter,
                              {"listener", "reason"},
                              "Closed client connections by reason."};
inline constexpr Spec kAcceptPaused{
    "usher_accept_paused",
    Kind::kGauge,
    {"listener"},
    "Workers that are not accepting for want of descriptors or at the connection limit."};
inline constexpr Spec kBytes{"usher_bytes_total",
                             Kind::kCounter,
                             {"listener", "direction"},
                             "Plaintext bytes relayed, to_backend or to_client."};
inline constexpr Spec kMaxFragmentLength{
    "usher_max_fragment_length_total",
    Kind::kCounter,
    {"listener", "bytes"},
    "Connections that negotiated a maximum fragment length (RFC 6066)."};
inline constexpr Spec kHttpRequests{"usher_http_requests_total",
                                    Kind::kCounter,
                                    {"listener", "code"},
                                    "Answered HTTP requests by status code."};
inline constexpr Spec kHttpRequestSeconds{
    "usher_http_request_seconds",
    Kind::kHistogram,
    {"listener"},
    "From a request's first byte to the end of its response."};
inline constexpr Spec kHttpRejected{"usher_http_rejected_total",
                                    Kind::kCounter,
                                    {"listener", "reason"},
                                    "HTTP requests refused before any backend saw them."};
inline constexpr Spec kBackendUp{"usher_backend_up",
                                 Kind::kGauge,
                                 {"backend", "server"},
                                 "1 while the server is considered usable."};
inline constexpr Spec kBackendConnections{"usher_backend_connections",
                                          Kind::kGauge,
                                          {"backend", "server"},
                                          "Open connections to the server."};
inline constexpr Spec kBackendEjected{"usher_backend_ejected",
                                      Kind::kGauge,
                                      {"backend", "server"},
                                      "Workers that leave the server out after failures."};
inline constexpr Spec kBackendConnectSeconds{"usher_backend_connect_seconds",
                                             Kind::kHistogram,
                                             {"backend"},
                                             "Time of a successful connect."};
inline constexpr Spec kBackendFailures{"usher_backend_failures_total",
                                       Kind::kCounter,
                                       {"backend", "server", "reason"},
                                       "Failed attempts to use the server."};
inline constexpr Spec kCertificateNotAfter{
    "usher_certificate_not_after_timestamp_seconds",
    Kind::kGauge,
    {"listener", "name"},
    "End of validity of the certificate served under the name."};
inline constexpr Spec kConfigReloads{
    "usher_config_reloads_total", Kind::kCounter, {"result"}, "Reloads of the configuration."};
inline constexpr Spec kBuildInfo{
    "usher_build_info", Kind::kGauge, {"version", "openssl"}, "1; what is running."};

// The order in which families are exposed.
inline constexpr std::array kSpecs{
    &kHandshakes,
    &kHandshakeFailures,
    &kHandshakeSeconds,
    &kResumptionOffers,
    &kTicketsIssued,
    &kTicketsWithoutRing,
    &kTicketKeys,
    &kTicketRingVersion,
    &kTicketRingTerm,
    &kTicketKeyAge,
    &kKeydConnected,
    &kRingApplySeconds,
    &kRingRefused,
    &kSessionLookups,
    &kSessionStores,
    &kSessionEntries,
    &kRedisUp,
    &kRedisBreakerOpen,
    &kRedisRequestSeconds,
    &kConnections,
    &kConnectionsTotal,
    &kCloses,
    &kAcceptPaused,
    &kBytes,
    &kMaxFragmentLength,
    &kHttpRequests,
    &kHttpRequestSeconds,
    &kHttpRejected,
    &kBackendUp,
    &kBackendConnections,
    &kBackendEjected,
    &kBackendConnectSeconds,
    &kBackendFailures,
    &kCertificateNotAfter,
    &kConfigReloads,
    &kBuildInfo,
    &kKeydRingVersion,
    &kKeydRingTerm,
    &kKeydMembers,
    &kKeydRotations,
    &kKeydPromotions,
    &kKeydPromotionHeld,
    &kKeydLeader,
    &kKeydRollbacks,
    &kKeydStoreUp,
    &kKeydRefused,
    &kKeydApplySeconds,
    &kKeydDuplicateNodes,
};

}  // namespace usher::metrics
