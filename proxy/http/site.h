#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/backend/group.h"
#include "proxy/base/socket_address.h"
#include "proxy/config/config.h"
#include "proxy/http/head_parser.h"
#include "proxy/http/http_metrics.h"
#include "proxy/relay/application.h"

namespace usher::http {

// What an HTTP listener serves, as one worker sees it: which backend answers which request, and
// what backends are told. One per worker, listener and generation, immutable. Thread: the worker's.
// Owner: shared by ListenerState and connections.
class Site : public relay::ApplicationFactory, public std::enable_shared_from_this<Site> {
 public:
  struct Route {
    std::string host;  // lower case, exact or "*."; "" any
    std::string path;  // prefix; "" any
    std::shared_ptr<backend::Group> backend;
  };
  struct Settings {
    std::string listener;
    bool redirect = false;  // what no route takes goes to https://
    std::vector<Route> routes;
    std::shared_ptr<backend::Group> backend;  // what no route takes; null for a redirect
    config::Forwarded forwarded = config::Forwarded::kX;
    bool tls_headers = false;
    std::string hsts;
    HeadLimits limits;
    std::vector<Cidr> trusted_proxies;
    std::chrono::milliseconds head_timeout{
        10'000};  // from a request's first byte to its head's end
    std::chrono::milliseconds idle_timeout{300'000};
    HttpMetrics* metrics = nullptr;  // this worker's; lives as long as the process
  };
  explicit Site(Settings settings);

  // HTTP/2 where ALPN chose "h2", else HTTP/1.1.
  std::unique_ptr<relay::Application> make(relay::ClientPort& client) const override;

  // The backend of a request: the most specific host (exact, then the longest wildcard, then any),
  // within it the longest path prefix. Null: redirect.
  const std::shared_ptr<backend::Group>& backend_of(std::string_view authority,
                                                    std::string_view target) const;
  // Routes go by paths, and whoever resolves dot segments reads another path than they do.
  bool misreads(std::string_view target) const;
  bool trusts(const SocketAddress& peer) const;
  const Settings& settings() const { return settings_; }

 private:
  Settings settings_;
  bool routes_by_path_;
};

}  // namespace usher::http
