#include "proxy/tls/outcomes.h"

#include <array>

namespace usher::tls {

namespace {

constexpr std::array<std::string_view, kResumptions> kResumptionNames = {"none", "ticket",
                                                                         "session_id", "psk"};
constexpr std::array<std::string_view, kOfferKinds> kOfferKindNames = {"none", "ticket",
                                                                       "session_id"};
constexpr std::array<std::string_view, kOfferOutcomes> kOfferOutcomeNames = {
    "resumed", "unknown_future", "unknown_past", "unknown_foreign", "bad_mac", "expired", "lineage",
    "domain",  "version",        "cipher",       "not_found",       "timeout", "foreign", "other"};
constexpr std::array<std::string_view, kTlsFailures> kTlsFailureNames = {"none",
                                                                         "not_tls",
                                                                         "version",
                                                                         "no_shared_cipher",
                                                                         "alpn",
                                                                         "hello_too_large",
                                                                         "malformed",
                                                                         "client_cert_missing",
                                                                         "client_cert_unknown_ca",
                                                                         "client_cert_expired",
                                                                         "client_cert_revoked",
                                                                         "client_cert_invalid",
                                                                         "alert_received",
                                                                         "key_update_flood",
                                                                         "internal"};

static_assert(static_cast<std::size_t>(TlsFailure::kInternal) + 1 == kTlsFailures);
static_assert(static_cast<std::size_t>(OfferOutcome::kOther) + 1 == kOfferOutcomes);

template <class Enum, std::size_t N>
std::string_view spelled(const std::array<std::string_view, N>& names, Enum value) {
  return names.at(static_cast<std::size_t>(value));
}

}  // namespace

std::string_view name_of(Resumption resumption) {
  return spelled(kResumptionNames, resumption);
}
std::string_view name_of(OfferKind kind) {
  return spelled(kOfferKindNames, kind);
}
std::string_view name_of(OfferOutcome outcome) {
  return spelled(kOfferOutcomeNames, outcome);
}
std::string_view name_of(TlsFailure failure) {
  return spelled(kTlsFailureNames, failure);
}

}  // namespace usher::tls
