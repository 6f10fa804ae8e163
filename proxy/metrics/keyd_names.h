#pragma once

#include "proxy/metrics/spec.h"

// usher-keyd's part of the table in names.h.
namespace usher::metrics {

inline constexpr Spec kKeydRingVersion{
    "usher_keyd_ring_version", Kind::kGauge, {}, "Version of the ring that is pushed."};
inline constexpr Spec kKeydRingTerm{
    "usher_keyd_ring_term", Kind::kGauge, {}, "Term of the ring that is pushed."};
inline constexpr Spec kKeydMembers{"usher_keyd_members",
                                   Kind::kGauge,
                                   {"state"},
                                   "Proxies that promotions wait for: all their workers read the "
                                   "ring (current), or not (behind)."};
inline constexpr Spec kKeydRotations{
    "usher_keyd_rotations_total", Kind::kCounter, {"trigger"}, "Rotations begun, or skipped."};
inline constexpr Spec kKeydPromotions{
    "usher_keyd_promotions_total",
    Kind::kCounter,
    {"kind"},
    "Keys that began to seal: applied by all members before (acked), or not (forced)."};
inline constexpr Spec kKeydPromotionHeld{"usher_keyd_promotion_held_seconds",
                                         Kind::kGauge,
                                         {},
                                         "How long the next key has been waiting for members."};
inline constexpr Spec kKeydLeader{
    "usher_keyd_leader", Kind::kGauge, {}, "1 while this keyd rotates the keys."};
inline constexpr Spec kKeydRollbacks{"usher_keyd_rollbacks_total",
                                     Kind::kCounter,
                                     {},
                                     "Rings made anew above one that was not this fleet's."};
inline constexpr Spec kKeydStoreUp{
    "usher_keyd_store_up", Kind::kGauge, {}, "1 while the store can be relied upon."};
inline constexpr Spec kKeydRefused{
    "usher_keyd_refused_total", Kind::kCounter, {"reason"}, "Subscribers that were refused."};
inline constexpr Spec kKeydApplySeconds{
    "usher_keyd_apply_seconds",
    Kind::kHistogram,
    {},
    "From pushing a ring to a proxy until it says that all its workers read it."};
inline constexpr Spec kKeydDuplicateNodes{"usher_keyd_duplicate_nodes_total",
                                          Kind::kCounter,
                                          {},
                                          "Times two live proxies had the same node name."};

}  // namespace usher::metrics
