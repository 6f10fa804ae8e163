#include "proxy/config/sections.h"

namespace usher::config {
namespace {

using namespace std::chrono_literals;

// TLS 1.3 forbids ticket lifetimes above seven days (RFC 8446 §4.6.1); OpenSSL counts them in
// seconds.
constexpr DurationRange kSessionLifetime{1s, 24h * 7};
constexpr DurationRange kLineage{1s, kYear};
constexpr DurationRange kHandshake{10ms, 24h};

void read_version(Section& section, std::string_view key, unsigned& to) {
  section.choice(key, to, {{"1.2", 0x0303U}, {"1.3", 0x0304U}});
}

}  // namespace

void read_tls(Section& section, Tls& to) {
  to.place = section.findings().place(section.line());
  read_version(section, "min_version", to.min_version);
  read_version(section, "max_version", to.max_version);
  // OpenSSL judges what is in these lists when the contexts are made.
  section.text("ciphers", to.ciphers, kPlainText);
  section.text("ciphersuites", to.ciphersuites, kPlainText);
  section.text("groups", to.groups, kPlainText);
  section.text("sigalgs", to.sigalgs, kPlainText);
  section.duration("session_lifetime", to.session_lifetime, kSessionLifetime);
  section.duration("lineage_max", to.lineage_max, kLineage);
  section.duration("handshake_timeout", to.handshake_timeout, kHandshake);
  section.finish();
  if (section.good({"min_version", "max_version"}) && to.min_version > to.max_version) {
    section.problem(section.line("max_version"),
                    section.shown("max_version") + " is below " + section.shown("min_version") +
                        "; expected max_version to be at least min_version; raise it");
  }
}

}  // namespace usher::config
