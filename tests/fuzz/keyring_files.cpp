#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "proxy/base/bytes.h"
#include "proxy/base/check.h"
#include "proxy/keyring/key_file.h"

namespace {

using namespace usher;
using namespace usher::keyring;
using namespace std::chrono_literals;

constexpr BootClock::time_point kChanged{1000h};

std::vector<KeyFile> one_file(ByteView bytes) {
  std::vector<KeyFile> files;
  files.push_back({"file", SecretBuffer(bytes.size()), kChanged});
  std::ranges::copy(bytes, files[0].bytes.bytes().begin());
  return files;
}

// What was read is written again as it was, but for the freedom that a format leaves.
void check_written(KeyFileFormat format, const KeyRing& ring, ByteView bytes) {
  const auto again = format_keys(ring, format, kChanged);
  CHECK(again);
  if (format == KeyFileFormat::kNginx) {
    CHECK(std::ranges::equal(again->bytes(), bytes));
    return;
  }
  const auto same = parse_key_files(format, one_file(again->bytes()), 1, {});
  CHECK(same && same->entries().size() == ring.entries().size());
  for (std::size_t i = 0; i < ring.entries().size(); ++i) {
    const TicketKey& a = *ring.entries()[i].key;
    const TicketKey& b = *same->entries()[i].key;
    CHECK(a.name == b.name && a.created == b.created && a.size == b.size);
    CHECK(std::ranges::equal(a.aes.bytes(), b.aes.bytes()));
    CHECK(std::ranges::equal(a.hmac.bytes(), b.hmac.bytes()));
  }
}

void check(ByteView bytes) {
  (void)format_of(bytes);
  for (const auto format :
       {KeyFileFormat::kUsher, KeyFileFormat::kNginx, KeyFileFormat::kHaproxy}) {
    const auto ring = parse_key_files(format, one_file(bytes), 1, {});
    if (ring) {
      check_written(format, *ring, bytes);
    } else {
      CHECK(ring.error().message.starts_with("file:"));
    }
  }
}

// With the right checksum, so that what lies behind that check is met too.
std::string with_checksum(std::string_view text) {
  std::string above(text.substr(0, text.rfind("sha256")));
  std::array<std::byte, 32> digest{};
  CHECK(EVP_Q_digest(nullptr, "SHA256", nullptr, above.data(), above.size(),
                     writable_uchars(digest), nullptr) == 1);
  return above + "sha256 " + hex(digest) + "\n";
}

}  // namespace

// Any bytes as a key file of any format: refused with the file's name, or a ring.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  check(bytes);
  check(bytes_of(with_checksum(text_of(bytes))));
  return 0;
}
