#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "proxy/config/parse.h"

// Whatever the bytes: a configuration that holds together, or problems that a terminal can show.
namespace {

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

void require_printable(const std::string& line) {
  require(line.size() < 1024);
  for (const char c : line) {
    require(c >= 0x20 && c < 0x7f);
  }
}

void require_sound(const usher::config::Config& config) {
  require(config.process.workers >= 1 && config.process.workers <= 512);
  require(config.tls.min_version <= config.tls.max_version);
  require(!config.listeners.empty() && !config.backends.empty());
  for (const auto& listener : config.listeners) {
    require(!listener.name.empty() && !listener.backend.empty());
    require(listener.address.family() != AF_UNSPEC && !listener.certificates.empty());
    require(listener.proxy_protocol == !listener.proxy_protocol_from.empty());
    require((listener.client_auth == usher::config::ClientAuth::kOff) ==
            listener.client_ca.empty());
  }
  for (const auto& backend : config.backends) {
    require(!backend.name.empty() && !backend.servers.empty());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = usher::config::parse(text, "fuzz.toml");
  if (config) {
    require_sound(*config);
    for (const std::string& warning : config->warnings) {
      require_printable(warning);
    }
    return 0;
  }
  require(!config.error().messages.empty());
  for (const std::string& message : config.error().messages) {
    require_printable(message);
  }
  return 0;
}
