#include "proxy/relay/listener_metrics.h"

#include <string_view>

namespace usher::relay {
namespace {

using metrics::Registry;
using tls::OfferKind;
using tls::OfferOutcome;
using tls::Resumption;
using tls::TlsFailure;

constexpr std::array<std::string_view, 2> kVersions = {"TLSv1.2", "TLSv1.3"};
constexpr std::array<std::string_view, 4> kFragmentLengths = {"512", "1024", "2048", "4096"};

// Calls with every value of an enum whose first `count` values are its all.
template <class Enum, class Call>
void for_each(std::size_t count, Call call) {
  for (std::size_t value = 0; value < count; ++value) {
    call(static_cast<Enum>(value), value);
  }
}

// TLS 1.3 resumes by PSK only, TLS 1.2 never (RFC 8446 §2.2).
bool possible(std::size_t version, Resumption resumption) {
  return resumption == Resumption::kNone || (resumption == Resumption::kPsk) == (version == 1);
}

}  // namespace

void ListenerMetrics::register_in(Registry::Group& group, const std::string& listener) const {
  group.add(metrics::kConnectionsTotal, {listener}, connections);
  for_each<Phase>(kPhases, [&](Phase phase, std::size_t i) {
    if (phase != Phase::kClosed) {
      group.add(metrics::kConnections, {listener, std::string(name_of(phase))}, phases[i]);
    }
  });
  for_each<CloseReason>(kCloseReasons, [&](CloseReason reason, std::size_t i) {
    group.add(metrics::kCloses, {listener, std::string(name_of(reason))}, closes[i]);
  });
  for_each<Resumption>(tls::kResumptions, [&](Resumption resumption, std::size_t i) {
    const std::string label(name_of(resumption));
    for (std::size_t version = 0; version < kVersions.size(); ++version) {
      if (possible(version, resumption)) {
        group.add(metrics::kHandshakes, {listener, std::string(kVersions[version]), label},
                  handshakes[version][i]);
      }
    }
    group.add(metrics::kHandshakeSeconds, {listener, label}, handshake_seconds[i]);
  });
  for_each<TlsFailure>(tls::kTlsFailures, [&](TlsFailure failure, std::size_t i) {
    if (failure != TlsFailure::kNone) {
      group.add(metrics::kHandshakeFailures, {listener, std::string(name_of(failure))},
                handshake_failures[i]);
    }
  });
  for_each<OfferKind>(tls::kOfferKinds, [&](OfferKind kind, std::size_t i) {
    if (kind == OfferKind::kNone) {
      return;
    }
    for_each<OfferOutcome>(tls::kOfferOutcomes, [&](OfferOutcome outcome, std::size_t j) {
      group.add(metrics::kResumptionOffers,
                {listener, std::string(name_of(kind)), std::string(name_of(outcome))},
                offers[i][j]);
    });
  });
  for (std::size_t i = 0; i < kFragmentLengths.size(); ++i) {
    group.add(metrics::kMaxFragmentLength, {listener, std::string(kFragmentLengths[i])},
              max_fragment_length[i]);
  }
  group.add(metrics::kBytes, {listener, "to_backend"}, bytes_to_backend);
  group.add(metrics::kBytes, {listener, "to_client"}, bytes_to_client);
  group.add(metrics::kAcceptPaused, {listener}, accept_paused);
}

}  // namespace usher::relay
