#pragma once

#include "proxy/metrics/spec.h"

// Metrics of tickets, their keys and the session caches; part of the table in names.h.
namespace usher::metrics {

inline constexpr Spec kTicketsIssued{
    "usher_tickets_issued_total", Kind::kCounter, {}, "Session tickets sent to clients."};
inline constexpr Spec kTicketsWithoutRing{"usher_tickets_without_ring",
                                          Kind::kGauge,
                                          {},
                                          "1 while there is no key to seal tickets with."};
inline constexpr Spec kTicketKeys{
    "usher_ticket_keys", Kind::kGauge, {"state"}, "Session ticket keys held."};
inline constexpr Spec kTicketRingVersion{
    "usher_ticket_ring_version", Kind::kGauge, {}, "Version of the key ring in use."};
inline constexpr Spec kTicketRingTerm{
    "usher_ticket_ring_term", Kind::kGauge, {}, "Term of the key ring in use."};
inline constexpr Spec kTicketKeyAge{"usher_ticket_key_age_seconds",
                                    Kind::kGauge,
                                    {"state"},
                                    "Age of the oldest session ticket key of that state."};
inline constexpr Spec kKeydConnected{"usher_keyd_connected",
                                     Kind::kGauge,
                                     {"endpoint"},
                                     "1 while there is a link to the keyd endpoint."};
inline constexpr Spec kRingApplySeconds{"usher_ring_apply_seconds",
                                        Kind::kHistogram,
                                        {},
                                        "From a new key ring until every worker reads it."};
inline constexpr Spec kRingRefused{"usher_ring_refused_total",
                                   Kind::kCounter,
                                   {"reason"},
                                   "Key rings of keyd that were not taken."};
inline constexpr Spec kSessionLookups{"usher_session_cache_lookups_total",
                                      Kind::kCounter,
                                      {"tier", "result"},
                                      "Sessions looked up by their id in one tier of the caches."};
inline constexpr Spec kSessionStores{"usher_session_cache_stores_total",
                                     Kind::kCounter,
                                     {"tier", "result"},
                                     "Sessions stored in one tier; hit: stored."};
inline constexpr Spec kSessionEntries{
    "usher_session_cache_entries", Kind::kGauge, {}, "Sessions in the memory tier."};
inline constexpr Spec kRedisUp{
    "usher_redis_up", Kind::kGauge, {"node"}, "1 while every worker is signed in there."};
inline constexpr Spec kRedisBreakerOpen{"usher_redis_breaker_open",
                                        Kind::kGauge,
                                        {"node"},
                                        "1 while a worker does not ask it after failures."};
inline constexpr Spec kRedisRequestSeconds{"usher_redis_request_seconds",
                                           Kind::kHistogram,
                                           {},
                                           "From a look-up in Redis until its answer."};

}  // namespace usher::metrics
