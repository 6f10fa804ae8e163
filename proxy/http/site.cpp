#include "proxy/http/site.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "proxy/http/http1_connection.h"
#include "proxy/http/http2_connection.h"
#include "proxy/http/syntax.h"
#include "proxy/tls/tls_session.h"

namespace usher::http {
namespace {

// The host of an authority (RFC 3986 §3.2), without its port and the root's dot. An IPv6 literal
// keeps its brackets.
std::string_view host_of(std::string_view authority) {
  std::string_view host = without_port(authority);
  if (host.ends_with('.')) {
    host.remove_suffix(1);
  }
  return host;
}

// `pattern` is in lower case.
bool ends_with(std::string_view host, std::string_view pattern) {
  return host.size() >= pattern.size() &&
         same_name(host.substr(host.size() - pattern.size()), pattern);
}

bool matches_host(std::string_view pattern, std::string_view host) {
  if (pattern.starts_with("*.")) {
    pattern.remove_prefix(1);  // ".example": any depth below it, not itself
    return host.size() > pattern.size() && ends_with(host, pattern);
  }
  return pattern.empty() || (host.size() == pattern.size() && ends_with(host, pattern));
}

std::string_view path_of(std::string_view target) {
  return target.substr(0, target.find('?'));
}

// At segment borders: "/api" takes "/api" and "/api/x", not "/apix". `path` without query.
bool matches_path(std::string_view prefix, std::string_view path) {
  return path.starts_with(prefix) && (prefix.empty() || prefix.back() == '/' ||
                                      path.size() == prefix.size() || path[prefix.size()] == '/');
}

// The order in which routes are asked: exact hosts, then wildcards, longest first, then any host;
// within a host the longest path first. The first that matches is the most specific one.
bool goes_before(const Site::Route& a, const Site::Route& b) {
  const auto rank = [](const Site::Route& route) {
    const bool is_exact = !route.host.empty() && !route.host.starts_with("*.");
    return std::tuple(is_exact, route.host.size(), route.path.size());
  };
  return rank(a) > rank(b);
}

}  // namespace

Site::Site(Settings settings)
    : settings_(std::move(settings)),
      routes_by_path_(std::any_of(settings_.routes.begin(), settings_.routes.end(),
                                  [](const Route& route) { return !route.path.empty(); })) {
  std::stable_sort(settings_.routes.begin(), settings_.routes.end(), goes_before);
}

std::unique_ptr<relay::Application> Site::make(relay::ClientPort& client) const {
  if (client.tls() != nullptr && client.tls()->facts().alpn == "h2") {
    return std::make_unique<Http2Connection>(client, shared_from_this());
  }
  return std::make_unique<Http1Connection>(client, shared_from_this());
}

const std::shared_ptr<backend::Group>& Site::backend_of(std::string_view authority,
                                                        std::string_view target) const {
  const std::string_view host = host_of(authority);
  const std::string_view path = path_of(target);
  for (const Route& route : settings_.routes) {
    if (matches_host(route.host, host) && matches_path(route.path, path)) {
      return route.backend;
    }
  }
  return settings_.backend;
}

bool Site::misreads(std::string_view target) const {
  return routes_by_path_ && has_dot_segment(path_of(target));
}

bool Site::trusts(const SocketAddress& peer) const {
  return std::any_of(settings_.trusted_proxies.begin(), settings_.trusted_proxies.end(),
                     [&](const Cidr& network) { return network.contains(peer); });
}

}  // namespace usher::http
