#include <algorithm>
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

bool has_backend(const usher::config::Config& config, const std::string& name) {
  return std::any_of(config.backends.begin(), config.backends.end(),
                     [&](const auto& backend) { return backend.name == name; });
}

void require_sound_http(const usher::config::Config& config,
                        const usher::config::Listener& listener) {
  using usher::config::Mode;
  require(listener.mode != Mode::kTcp || (listener.routes.empty() && listener.hsts.empty()));
  for (const auto& route : listener.routes) {
    require(!route.host.empty() || !route.path.empty());
    require(route.path.empty() || route.path.front() == '/');
    require(has_backend(config, route.backend));
  }
  if (listener.mode == Mode::kRedirect) {
    require(listener.backend.empty() && listener.certificates.empty() && listener.alpn.empty());
    return;
  }
  require(has_backend(config, listener.backend) && !listener.certificates.empty());
}

void require_sound(const usher::config::Config& config) {
  require(config.process.workers >= 1 && config.process.workers <= 512);
  require(config.tls.min_version <= config.tls.max_version);
  require(!config.listeners.empty());
  for (const auto& listener : config.listeners) {
    require(!listener.name.empty() && listener.address.family() != AF_UNSPEC);
    require_sound_http(config, listener);
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
