// The fleet's state and the reports of other keyds, as they lie in a store, unsealed.
#include <cstddef>
#include <cstdint>
#include <span>

#include "keyd/state_codec.h"
#include "proxy/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace usher;
  using namespace std::chrono_literals;
  const auto bytes = std::as_bytes(std::span(data, size));
  const keyd::Moment now{BootClock::time_point(1000h), keyd::WallTime(1'800'000'000'000ms)};
  if (const auto state = keyd::decode_state(bytes, now)) {
    const auto again = keyd::encode_state(*state, now);
    CHECK(again);
    const auto twice = keyd::decode_state(again->bytes(), now);
    CHECK(twice && twice->members.size() == state->members.size() &&
          twice->departed.size() == state->departed.size() &&
          keyring::digest_of(twice->ring) == keyring::digest_of(state->ring));
  } else {
    CHECK(!state.error().message.empty());
  }
  if (const auto reports = keyd::decode_reports(bytes, now)) {
    const auto again = keyd::encode_reports(*reports, now);
    CHECK(again && keyd::decode_reports(again->bytes(), now)->size() == reports->size());
  }
  return 0;
}
