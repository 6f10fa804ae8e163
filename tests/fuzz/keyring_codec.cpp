#include <openssl/evp.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "proxy/base/bytes.h"
#include "proxy/base/check.h"
#include "proxy/keyring/ring_codec.h"

namespace {

using namespace usher;
using namespace usher::keyring;

constexpr std::size_t kHead = 82;
constexpr std::size_t kKey = 93;
constexpr std::size_t kDigest = 32;

// With the right digest, so that what lies behind that check is met too.
std::vector<std::byte> with_digest(std::vector<std::byte> bytes) {
  if (bytes.size() < kHead + kDigest || (bytes.size() - kHead - kDigest) % kKey != 0) {
    return bytes;
  }
  std::vector<std::byte> input(bytes.begin(), bytes.begin() + kHead);
  for (auto key = bytes.begin() + kHead; key != bytes.end() - kDigest; key += kKey) {
    input.insert(input.end(), key, key + 21);
    input.insert(input.end(), key + 29, key + kKey);
  }
  CHECK(EVP_Q_digest(nullptr, "SHA256", nullptr, input.data(), input.size(),
                     writable_uchars(std::span(bytes).last(kDigest)), nullptr) == 1);
  return bytes;
}

void check(ByteView bytes, BootClock::time_point now) {
  const auto ring = decode_ring(bytes, now);
  if (!ring) {
    CHECK(!ring.error().message.empty());
    return;
  }
  CHECK(ring->entries().size() <= kMaxKeys && ring->name_key() != nullptr);
  CHECK(std::ranges::equal(digest_of(*ring), bytes.last(kDigest)));
  // What was taken is sent on as it came, but for absurd ages.
  const SecretBuffer again = encode_ring(*ring, now);
  CHECK(again.size() == bytes.size());
  const auto same = decode_ring(again.bytes(), now);
  CHECK(same && same->version() == ring->version() && same->policy() == ring->policy());
  (void)ring->sealing_key(now);
  for (const KeyRing::Entry& entry : ring->entries()) {
    (void)ring->opening_key(entry.key->name, now);
  }
}

}  // namespace

// Any bytes as a ring: refused with a reason, or a ring that encodes to the same bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  for (const auto now :
       {BootClock::time_point{}, BootClock::time_point(std::chrono::hours(9000))}) {
    check(bytes, now);
    check(with_digest({bytes.begin(), bytes.end()}), now);
  }
  return 0;
}
