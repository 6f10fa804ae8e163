// What a [[listener]] has in the HTTP modes only.
#include <utility>

#include "proxy/config/sections.h"
#include "proxy/config/toml_text.h"

namespace usher::config {
namespace {

// A head that is still incomplete is kept per connection: a limit of 1 MiB lets 1,000 silent
// clients hold 1 GiB. Below 1 KiB browsers' own fields do not fit.
constexpr std::int64_t kHeadBytesLeast = 1024;
constexpr std::int64_t kHeadBytesMost = 1024 * 1024;
constexpr std::int64_t kHeadersMost = 10'000;

std::string words_of(const Route& route) {
  std::string words;
  if (!route.host.empty()) {
    words += "host \"" + route.host + '"';
  }
  if (!route.path.empty()) {
    words += (words.empty() ? "path \"" : " and path \"") + route.path + '"';
  }
  return words;
}

void read_route(const Value& table, const Section& listener, Listener& to, Taken& taken,
                const ListenerSurroundings& surroundings) {
  Section section(&table, "[[listener.route]]", listener);
  Route route;
  route.place = listener.findings().place(table.line);
  section.text("host", route.host, kRouteHost);
  route.host = lower_case(route.host);
  section.text("path", route.path, kRoutePath);
  section.require("backend", "the name of a [[backend]]; add it");
  refer_to_backend(section, "backend", route.backend, surroundings);
  section.finish();
  if (!section.good({"host", "path"})) {
    return;
  }
  if (route.host.empty() && route.path.empty()) {
    section.problem(section.line(),
                    "[[listener.route]] has neither 'host' nor 'path'; expected at least one; add "
                    "it, or give its backend to the [[listener]]");
    return;
  }
  const auto [place, is_new] = taken.emplace(route.host + ' ' + route.path, section.line());
  if (!is_new) {
    section.problem(section.line(),
                    printable(words_of(route)) + " has a [[listener.route]] since line " +
                        std::to_string(place->second) + "; expected one for each; remove one");
    return;
  }
  to.routes.push_back(std::move(route));
}

void read_forwarding(Section& section, Listener& to) {
  for (const ListedText& network : section.texts("trusted_proxies", kNetwork)) {
    to.trusted_proxies.push_back(*Cidr::parse(network.text));
  }
  section.choice("forwarded", to.forwarded,
                 {{"x", Forwarded::kX},
                  {"rfc7239", Forwarded::kRfc7239},
                  {"both", Forwarded::kBoth},
                  {"off", Forwarded::kOff}});
  section.boolean("tls_headers", to.tls_headers);
  section.text("hsts", to.hsts, kHsts);
}

void refuse_keys_of_http(Section& section, const Listener& to) {
  const Listener usual;
  const std::pair<std::string_view, bool> unused[] = {
      {"route", !to.routes.empty()},
      {"trusted_proxies", !to.trusted_proxies.empty()},
      {"forwarded", to.forwarded != usual.forwarded},
      {"tls_headers", to.tls_headers},
      {"hsts", !to.hsts.empty()},
      {"max_head_bytes", to.max_head_bytes != usual.max_head_bytes},
      {"max_headers", to.max_headers != usual.max_headers}};
  for (const auto& [key, is_set] : unused) {
    if (is_set) {
      refuse_without_effect(section, key, "'mode' is \"tcp\"", "'mode = \"http\"'");
    }
  }
}

}  // namespace

void read_http(Section& section, Listener& to, const ListenerSurroundings& surroundings) {
  read_forwarding(section, to);
  section.integer("max_head_bytes", to.max_head_bytes, kHeadBytesLeast, kHeadBytesMost);
  section.integer("max_headers", to.max_headers, 1, kHeadersMost);
  Taken routes;
  for (const Value* table : section.tables("route")) {
    read_route(*table, section, to, routes, surroundings);
  }
  if (to.mode == Mode::kTcp && section.good({"mode"})) {
    refuse_keys_of_http(section, to);
  }
}

}  // namespace usher::config
