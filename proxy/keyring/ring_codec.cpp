#include "proxy/keyring/ring_codec.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "proxy/base/bytes.h"
#include "proxy/base/openssl_ptr.h"
#include "proxy/base/wire.h"

namespace usher::keyring {
namespace {

using std::chrono::milliseconds;

constexpr std::byte kFormat{1};
constexpr std::size_t kHeadBytes = 82;
constexpr std::size_t kKeyBytes = 93;
constexpr std::size_t kAgeAt = kNameSize + 4 + 1;  // in a key
constexpr std::size_t kAgeBytes = 8;
static_assert(kRingBytesMax == kHeadBytes + kMaxKeys * kKeyBytes + std::tuple_size_v<RingDigest>);

constexpr auto kAgeMsMax = static_cast<std::uint64_t>(kAgeMax.count());

// 0 is "none": a limit below one millisecond is sent as one.
std::uint64_t limit_of(const std::optional<milliseconds>& limit) {
  return limit ? static_cast<std::uint64_t>(std::clamp(*limit, milliseconds(1), kAgeMax).count())
               : 0;
}

std::uint64_t age_of(const TicketKey& key, BootClock::time_point now) {
  const auto age = std::chrono::floor<milliseconds>(now - key.created);
  return static_cast<std::uint64_t>(std::clamp(age, milliseconds(0), kAgeMax).count());
}

RingDigest digest_without_ages(std::span<const std::byte> head_and_keys) {
  const DigestCtxPtr context(EVP_MD_CTX_new());
  CHECK(context && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1);
  const auto add = [&](std::span<const std::byte> part) {
    CHECK(EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1);
  };
  add(head_and_keys.first(kHeadBytes));
  for (auto keys = head_and_keys.subspan(kHeadBytes); !keys.empty();
       keys = keys.subspan(kKeyBytes)) {
    add(keys.first(kAgeAt));
    add(keys.first(kKeyBytes).subspan(kAgeAt + kAgeBytes));
  }
  RingDigest digest{};
  CHECK(EVP_DigestFinal_ex(context.get(), writable_uchars(digest), nullptr) == 1);
  return digest;
}

void write_head(WireWriter& to, const KeyRing& ring) {
  to.number(std::to_integer<std::uint8_t>(kFormat));
  to.number(ring.version().term);
  to.number(ring.version().version);
  to.bytes(ring.tag());
  to.bytes(ring.name_key()->bytes());
  to.number(ring.highest_epoch());
  to.number(limit_of(ring.policy().seal_max_age));
  to.number(limit_of(ring.policy().open_max_age));
  to.number(static_cast<std::uint64_t>(ring.lineage_not_before().time_since_epoch().count()));
  to.number(static_cast<std::uint8_t>(ring.entries().size()));
}

void write_key(WireWriter& to, const KeyRing::Entry& entry, BootClock::time_point now) {
  const TicketKey& key = *entry.key;
  CHECK(key.size == KeySize::kAes256);
  to.bytes(key.name);
  to.number(key.epoch);
  to.number(static_cast<std::uint8_t>(entry.state));
  to.number(age_of(key, now));
  to.bytes(key.aes.bytes());
  to.bytes(key.hmac.bytes());
}

Result<KeyRing::Parts> read_head(WireReader& from) {
  KeyRing::Parts parts;
  (void)from.number<std::uint8_t>();  // the format
  parts.version.term = from.number<std::uint64_t>();
  parts.version.version = from.number<std::uint64_t>();
  from.bytes(parts.tag);
  auto name_key = std::make_shared<NameKey>();
  from.bytes(name_key->bytes());
  parts.name_key = std::move(name_key);
  parts.last_epoch = from.number<std::uint32_t>();
  const struct {
    const char* name;
    std::optional<milliseconds>& limit;
  } limits[] = {{"seal_max_age", parts.policy.seal_max_age},
                {"open_max_age", parts.policy.open_max_age}};
  for (const auto& [name, limit] : limits) {
    const auto value = from.number<std::uint64_t>();
    if (value > kAgeMsMax) {
      return fail(std::string("key ring: ") + name + " above ten years");
    }
    if (value != 0) {
      limit = milliseconds(value);
    }
  }
  const auto lineage = from.number<std::uint64_t>();
  if (lineage > static_cast<std::uint64_t>(kUnixTimeMax.time_since_epoch().count())) {
    return fail("key ring: lineage_not_before is no time");
  }
  parts.lineage_not_before = UnixSeconds(std::chrono::seconds(lineage));
  (void)from.number<std::uint8_t>();  // the number of keys
  return parts;
}

Result<KeyRing::Entry> read_key(WireReader& from, BootClock::time_point now) {
  auto key = std::make_shared<TicketKey>();
  from.bytes(key->name);
  key->epoch = from.number<std::uint32_t>();
  const auto state = from.number<std::uint8_t>();
  if (state > static_cast<std::uint8_t>(KeyState::kPrevious)) {
    return fail("key ring: unknown key state " + std::to_string(state));
  }
  const auto age = std::min(from.number<std::uint64_t>(), kAgeMsMax);
  key->created = now - milliseconds(age);
  from.bytes(key->aes.bytes());
  from.bytes(key->hmac.bytes());
  return KeyRing::Entry{std::move(key), static_cast<KeyState>(state)};
}

Result<void> check_envelope(std::span<const std::byte> bytes) {
  constexpr std::size_t kDigestBytes = std::tuple_size_v<RingDigest>;
  if (bytes.size() < kHeadBytes + kDigestBytes) {
    return fail("key ring: " + std::to_string(bytes.size()) + " bytes are too few");
  }
  if (bytes[0] != kFormat) {
    return fail("key ring: format " + std::to_string(std::to_integer<unsigned>(bytes[0])) +
                "; this build knows format 1");
  }
  const auto keys = std::to_integer<std::size_t>(bytes[kHeadBytes - 1]);
  if (keys > kMaxKeys) {
    return fail("key ring: " + std::to_string(keys) + " keys; at most " + std::to_string(kMaxKeys));
  }
  if (bytes.size() != kHeadBytes + keys * kKeyBytes + kDigestBytes) {
    return fail("key ring: " + std::to_string(bytes.size()) + " bytes do not hold exactly " +
                std::to_string(keys) + " keys");
  }
  const auto content = bytes.first(bytes.size() - kDigestBytes);
  if (!std::ranges::equal(digest_without_ages(content), bytes.last(kDigestBytes))) {
    return fail("key ring: wrong digest");
  }
  return {};
}

}  // namespace

SecretBuffer encode_ring(const KeyRing& ring, BootClock::time_point now) {
  CHECK(ring.name_key() != nullptr);
  const std::size_t content = kHeadBytes + ring.entries().size() * kKeyBytes;
  SecretBuffer bytes(content + std::tuple_size_v<RingDigest>);
  WireWriter to(bytes.bytes());
  write_head(to, ring);
  for (const KeyRing::Entry& entry : ring.entries()) {
    write_key(to, entry, now);
  }
  to.bytes(digest_without_ages(bytes.bytes().first(content)));
  CHECK(to.full());
  return bytes;
}

RingDigest digest_of(const KeyRing& ring) {
  const SecretBuffer bytes = encode_ring(ring, BootClock::time_point{});
  RingDigest digest{};
  std::ranges::copy(bytes.bytes().last(digest.size()), digest.begin());
  return digest;
}

Result<KeyRing> decode_ring(std::span<const std::byte> bytes, BootClock::time_point now) {
  if (auto checked = check_envelope(bytes); !checked) {
    return Unexpected(std::move(checked).error());
  }
  WireReader from(bytes.first(bytes.size() - std::tuple_size_v<RingDigest>));
  auto parts = read_head(from);
  if (!parts) {
    return Unexpected(std::move(parts).error());
  }
  while (!from.empty()) {
    auto entry = read_key(from, now);
    if (!entry) {
      return Unexpected(std::move(entry).error());
    }
    if (entry->key->epoch > parts->last_epoch) {
      return fail("key ring: a key's epoch is above the last epoch");
    }
    parts->entries.push_back(*std::move(entry));
  }
  auto ring = KeyRing::make(*std::move(parts));
  if (!ring) {
    return Unexpected(std::move(ring).error().within("key ring"));
  }
  // One ring has one form, so that equal rings have equal digests wherever they come from.
  if (!std::ranges::equal(digest_of(*ring), bytes.last(std::tuple_size_v<RingDigest>))) {
    return fail("key ring: the keys are not in the order next, current, previous by falling epoch");
  }
  return ring;
}

}  // namespace usher::keyring
