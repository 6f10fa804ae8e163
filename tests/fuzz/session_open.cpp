#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "proxy/base/check.h"
#include "proxy/session/session_keys.h"

namespace {

using namespace usher;

constexpr BootClock::time_point kNow{std::chrono::hours(1000)};

// Bytes 1 and 101, as in tests/unit/session: seeds of the corpus are of this key.
std::shared_ptr<const keyring::KeyRing> make_ring() {
  auto key = std::make_shared<keyring::TicketKey>();
  std::ranges::fill(key->name, std::byte{1});
  std::ranges::fill(key->aes.bytes(), std::byte{1});
  std::ranges::fill(key->hmac.bytes(), std::byte{101});
  key->created = kNow;
  auto ring = keyring::KeyRing::make({{1, 1}, {{key, keyring::KeyState::kCurrent}}, {}});
  CHECK(ring);
  return std::make_shared<const keyring::KeyRing>(*std::move(ring));
}

struct Node {
  Node() {
    auto made = session::KeyBook::create(nullptr, rings);
    CHECK(made);
    book = *std::move(made);
    domain.fill(std::byte{0x77});
  }
  Snapshot<keyring::KeyRing> rings{make_ring()};
  std::unique_ptr<session::KeyBook> book;
  std::array<std::byte, session::kDomainSize> domain{};
};

// True: it opened; false: nothing of it is left.
bool opens(Node& node, const session::SessionKeys& keys, ByteView id, ByteView value) {
  std::vector<std::byte> session(value.size());  // sanitizers see a byte too many
  std::size_t size = 0;
  if (node.book->open(keys, id, node.domain, value, session, size)) {
    CHECK(size > 0 && size + session::KeyBook::kSealOverhead == value.size());
    return true;
  }
  CHECK(std::ranges::all_of(session, [](std::byte byte) { return byte == std::byte{0}; }));
  return false;
}

// A value of ours with one byte changed, or cut, never opens.
void tamper(Node& node, const session::SessionKeys& keys, ByteView id, ByteView input) {
  const std::size_t place =
      std::to_integer<std::size_t>(input[0]) << 8 | std::to_integer<std::size_t>(input[1]);
  const std::byte change = input[2];
  std::vector<std::byte> value;
  if (!node.book->seal(keys, id, node.domain, input.subspan(3), value)) {
    CHECK(input.size() == 3 ||
          input.size() - 3 > session::KeyBook::kSealedMax - session::KeyBook::kSealOverhead);
    return;
  }
  const std::size_t at = place % value.size();
  CHECK(opens(node, keys, id, value));
  CHECK(!opens(node, keys, id, ByteView(value).first(at)));
  value[at] ^= change;
  CHECK(opens(node, keys, id, value) == (change == std::byte{0}));
}

}  // namespace

// What a client presents as an id (the first 32 bytes) and what Redis holds under it (the rest).
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Node node;
  const ByteView input = std::as_bytes(std::span(data, size));
  const ByteView presented = input.first(std::min(input.size(), session::kIdSize));
  if (const auto* keys = node.book->keys_of(presented, kNow)) {
    (void)node.book->name_of(*keys, presented);
    (void)opens(node, *keys, presented, input.subspan(session::kIdSize));
  }
  std::array<std::byte, session::kIdSize> own{};
  CHECK(node.book->make_id(own, kNow));
  const auto* keys = node.book->keys_of(own, kNow);
  CHECK(keys != nullptr);
  CHECK(!opens(node, *keys, own, input));  // no value of Redis is of an id made just now
  if (input.size() >= 3) {
    tamper(node, *keys, own, input);
  }
  return 0;
}
