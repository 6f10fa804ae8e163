#include "keyd/config.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "proxy/base/units.h"
#include "proxy/config/document.h"
#include "proxy/config/findings.h"
#include "proxy/config/section.h"
#include "proxy/config/sections.h"
#include "proxy/config/text_rules.h"
#include "proxy/redis/url.h"

namespace usher::keyd {
namespace {

using namespace std::chrono_literals;
using config::Findings;
using config::kYear;
using config::Section;
using config::TextRule;

// Short enough for trials, long enough for a ring to reach everybody and be answered.
constexpr config::DurationRange kKeyAge{100ms, kYear};
constexpr config::DurationRange kHold{1s, kYear};
// Renewed several times in it; a standby waits as long before it takes over.
constexpr config::DurationRange kLease{1s, 10min};
// A ring holds 64 keys: these, `next`, and some rotations by hand.
constexpr std::int64_t kRotationsKeptMax = 60;

constexpr std::string_view kUnix = "unix:";
constexpr std::string_view kTls = "tls:";
constexpr std::string_view kCredential = "credential:";

std::optional<ListenAddress> parse_listen(std::string_view text) {
  if (text.starts_with(kUnix)) {
    const std::string_view path = text.substr(kUnix.size());
    return !path.empty() && config::kSocketPath.holds(path)
               ? std::optional(ListenAddress{std::string(text), std::string(path), {}})
               : std::nullopt;
  }
  const auto address = text.starts_with(kTls) ? SocketAddress::parse(text.substr(kTls.size()))
                                              : std::optional<SocketAddress>();
  return address ? std::optional(ListenAddress{std::string(text), {}, *address}) : std::nullopt;
}

bool is_fleet(std::string_view text) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, allowed);
}

// File names with a '/' would leave the directory that systemd made.
bool is_key_file(std::string_view text) {
  if (!text.starts_with(kCredential)) {
    return config::kFile.holds(text);
  }
  text.remove_prefix(kCredential.size());
  return config::kFile.holds(text) && !text.starts_with('.') &&
         text.find('/') == std::string_view::npos;
}

bool is_glob(std::string_view text) {
  const auto allowed = [](char c) { return c > 0x20 && c < 0x7f; };
  return !text.empty() && text.size() <= 253 && std::ranges::all_of(text, allowed);
}

const TextRule kListen{
    [](std::string_view text) { return parse_listen(text).has_value(); },
    R"("unix:" and an absolute path of at most 107 bytes, or "tls:" and IP:PORT, such as "tls:0.0.0.0:7443")"};
const TextRule kFleet{is_fleet, "1 to 64 letters, digits, '-', '_' or '.'"};
const TextRule kKeyFile{
    is_key_file, "the path of a file, or \"credential:NAME\" for one that systemd hands over"};
const TextRule kUser{
    [](std::string_view text) { return !text.empty() && config::kUserName.holds(text); },
    "the name of a user"};
// Whatever stands there is judged without being shown.
const TextRule kUnshown{[](std::string_view) { return true; }, "a URL such as redis://HOST:PORT",
                        TextRule::kSecret};
const TextRule kGlob{
    is_glob, R"(a DNS name in which '*' stands for part of a label, such as "proxy-*.example")"};

std::string in_quotes(Milliseconds duration) {
  return '"' + format_duration(duration) + '"';
}

void read_keyd(Section& section, KeydSettings& to) {
  to.place = section.findings().place(section.line());
  if (section.require("listen", R"(a list such as ["unix:/run/usher-keyd/keyd.sock"]; add one)")) {
    for (const config::ListedText& item : section.texts("listen", kListen)) {
      to.listen.push_back(*parse_listen(item.text));
    }
    if (to.listen.empty() && section.good({"listen"})) {
      section.problem(section.line("listen"),
                      "'listen' is empty; expected at least one address; add one");
    }
  }
  section.text("socket", to.socket, config::kSocketPath);
  section.text("admin", to.admin, config::kOptionalAddress);
  section.text("fleet", to.fleet, kFleet);
  section.texts("allow_users", to.allow_users, kUser);
  section.texts("allow_groups", to.allow_groups, config::kGroupName);
  section.texts("ctl_groups", to.ctl_groups, config::kGroupName);
  const auto is_control = [&](const ListenAddress& listen) {
    return !listen.path.empty() && listen.path == to.socket;
  };
  if (std::ranges::any_of(to.listen, is_control)) {
    section.problem(section.line("socket"), section.shown("socket") +
                                                " is a socket of 'listen' too; expected two "
                                                "different paths; change one");
  }
  section.finish();
}

void read_tls(Section& section, const KeydSettings& keyd, TlsSettings& to) {
  to.place = section.findings().place(section.line());
  const bool needed = std::ranges::any_of(
      keyd.listen, [](const ListenAddress& listen) { return listen.path.empty(); });
  for (const auto& [key, file] : {std::pair{"ca", &to.ca}, {"cert", &to.cert}, {"key", &to.key}}) {
    section.text(key, *file, needed ? config::kFile : config::kOptionalFile);
    if (needed) {
      section.require(key, "a PEM file, for a tls: address listens; add it");
    }
  }
  section.texts("allow", to.allow, kGlob);
  if (needed && to.allow.empty() && section.good({"allow"})) {
    section.problem(section.line("allow"),
                    "[tls] allows nobody; expected 'allow' with names of proxies, such as "
                    "[\"proxy-*.example\"], for a tls: address listens; add it");
  }
  section.finish();
}

void check_ages(Section& section, const RotationSettings& rotation) {
  if (!section.good({"every", "seal_max_age", "keep", "promote_hold_max"})) {
    return;  // ages that nobody wrote
  }
  const auto line_of = [&](std::string_view first, std::string_view second) {
    return section.line(section.has(first) ? first : second);
  };
  if (rotation.seal_max_age <= rotation.every) {
    section.problem(line_of("seal_max_age", "every"),
                    "seal_max_age is " + in_quotes(rotation.seal_max_age) +
                        "; expected more than every = " + in_quotes(rotation.every) +
                        ", or no tickets are sealed before the next key comes; raise it");
  } else if (rotation.seal_max_age < rotation.every + rotation.promote_hold_max) {
    section.findings().warning(
        line_of("promote_hold_max", "seal_max_age"),
        "a promotion may be held until proxies stop sealing: every + promote_hold_max = " +
            in_quotes(rotation.every + rotation.promote_hold_max) +
            " is above seal_max_age = " + in_quotes(rotation.seal_max_age));
  }
  if (rotation.keep > rotation.every * kRotationsKeptMax) {
    section.problem(line_of("every", "keep"),
                    "keep = " + in_quotes(rotation.keep) + " holds more than " +
                        std::to_string(kRotationsKeptMax) +
                        " keys; expected keep to be at most 60 times every = " +
                        in_quotes(rotation.every) + "; rotate less often");
  }
  if (const Milliseconds least = rotation.seal_max_age + rotation.every; rotation.keep < least) {
    section.problem(line_of("keep", "seal_max_age"),
                    "keep is " + in_quotes(rotation.keep) +
                        "; expected at least seal_max_age + every = " + in_quotes(least) +
                        " (and seal_max_age + the proxies' tls.session_lifetime), or tickets "
                        "outlive their key; raise it");
  }
}

void read_rotation(Section& section, RotationSettings& to) {
  to.place = section.findings().place(section.line());
  section.duration("every", to.every, kKeyAge);
  section.duration("seal_max_age", to.seal_max_age, kKeyAge);
  section.duration("keep", to.keep, kKeyAge);
  section.duration("promote_hold_max", to.promote_hold_max, kHold);
  check_ages(section, to);
  section.finish();
}

// Messages never show the value: a password may stand in it.
void read_redis(Section& section, StoreSettings& to) {
  const auto urls = section.text_or_texts("redis", kUnshown);
  for (const config::ListedText& url : urls) {
    if (url.text.empty()) {
      continue;
    }
    if (auto server = redis::parse_url(url.text); !server) {
      section.problem(url.line, "'redis' in [store] is wrong: " + server.error().message);
    }
    to.redis.push_back(url.text);
  }
  if (to.redis.size() > 1) {
    section.problem(section.line("redis"),
                    "a list of nodes (a cluster) in 'redis' of [store] "
                    "needs a later version; give one URL");
  }
}

void read_store(Section& section, StoreSettings& to) {
  to.place = section.findings().place(section.line());
  section.choice("kind", to.kind, {{"file", StoreKind::kFile}, {"redis", StoreKind::kRedis}});
  section.text("path", to.path, config::kOptionalFile);
  read_redis(section, to);
  section.duration("lease", to.lease, kLease);
  if (section.require("key_file", "the path of a file of 32 random bytes, mode 0600; add it")) {
    section.text("key_file", to.key_file, kKeyFile);
  }
  const bool file = to.kind == StoreKind::kFile;
  const std::string_view needed = file ? "path" : "redis";
  const std::string_view idle = file ? "redis" : "path";
  if (section.good({"kind", needed}) && (file ? to.path.empty() : to.redis.empty())) {
    section.problem(section.line(needed),
                    file ? "[store] has no 'path'; expected the file for the state; add it"
                         : "[store] has no 'redis'; expected redis://HOST:PORT; add it");
  }
  if (section.has(idle)) {
    section.findings().warning(section.line(idle), "'" + std::string(idle) + "' is not used with " +
                                                       section.shown("kind"));
  }
  section.finish();
}

// As the proxy's, but there is no access log.
void read_keyd_log(Section& section, config::Log& to) {
  config::read_log_lines(section, to);
  section.choice("access", to.access, {{"off", "off"}});
  section.finish();
}

void read_root(const config::Value& document, Config& to, Findings& findings) {
  Section root(&document, "the file", findings);
  Section keyd(root.table("keyd"), "[keyd]", findings);
  read_keyd(keyd, to.keyd);
  Section tls(root.table("tls"), "[tls]", findings);
  read_tls(tls, to.keyd, to.tls);
  Section rotation(root.table("rotation"), "[rotation]", findings);
  read_rotation(rotation, to.rotation);
  Section store(root.table("store"), "[store]", findings);
  read_store(store, to.store);
  Section log(root.table("log"), "[log]", findings);
  read_keyd_log(log, to.log);
  root.finish();
}

}  // namespace

Result<Config, config::Problems> parse(std::string_view text, const std::string& file_name) {
  Findings findings(file_name);
  Config config;
  config.path = file_name;
  if (const auto document = config::parse_document(text)) {
    read_root(*document, config, findings);
  } else {
    findings.problem(document.error().line, document.error().message);
  }
  if (findings.problem_count() > 0) {
    return Unexpected(findings.problems());
  }
  config.warnings = findings.warnings();
  return config;
}

Result<Config, config::Problems> load(const std::string& path) {
  const auto text = config::read_text(path);
  return text ? parse(*text, path) : Unexpected(text.error());
}

}  // namespace usher::keyd
