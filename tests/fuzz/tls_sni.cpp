#include <cstdint>
#include <span>
#include <string>

#include "proxy/base/check.h"
#include "proxy/tls/client_hello.h"

// Any bytes as a server_name extension: a name comes out only from the one strict form.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto extension = std::as_bytes(std::span(data, size));
  std::string host;
  if (usher::tls::parse_sni_extension(extension, host) == usher::tls::SniResult::kPresent) {
    CHECK(!host.empty() && host.size() <= 255 && host.size() + 5 == size);
    CHECK(host.find('\0') == std::string::npos);
  } else {
    CHECK(host.empty());
  }
  return 0;
}
