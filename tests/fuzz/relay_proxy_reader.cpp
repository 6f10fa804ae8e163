#include <cstddef>
#include <cstdint>

#include "proxy/base/check.h"
#include "proxy/relay/proxy_reader.h"

// The PROXY header reader holds its bounds and never changes its mind: what is complete or
// malformed stays so with more bytes, and every shorter prefix of a complete header waits.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using usher::relay::read_proxy_header;
  using Status = usher::relay::ProxyHeaderResult::Status;
  const usher::ByteView bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto whole = read_proxy_header(bytes);
  CHECK(whole.status != Status::kIncomplete || size < usher::relay::kProxyHeaderMax);
  CHECK(whole.source.has_value() == whole.destination.has_value());
  if (whole.status != Status::kComplete) {
    CHECK(!whole.source && whole.size == 0);
    for (std::size_t shorter = 0; shorter < size && whole.status == Status::kIncomplete;
         ++shorter) {
      CHECK(read_proxy_header(bytes.first(shorter)).status == Status::kIncomplete);
    }
    return 0;
  }
  CHECK(whole.size <= size && whole.size <= usher::relay::kProxyHeaderMax);
  const auto exact = read_proxy_header(bytes.first(whole.size));
  CHECK(exact.status == Status::kComplete && exact.size == whole.size &&
        exact.source == whole.source);
  for (std::size_t shorter = 0; shorter < whole.size; ++shorter) {
    CHECK(read_proxy_header(bytes.first(shorter)).status == Status::kIncomplete);
  }
  return 0;
}
