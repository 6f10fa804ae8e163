#include <utility>

#include "proxy/config/sections.h"
#include "proxy/config/suggestion.h"
#include "proxy/config/toml_text.h"

namespace usher::config {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kVerifyDepthMax = 100;  // OpenSSL's own limit on the length of a chain
constexpr DurationRange kIdle{10ms, kYear};

void read_address(Section& section, Listener& to, Taken& taken) {
  section.require("address", R"(one such as "0.0.0.0:443" or "[::]:443"; add it)");
  std::string text;
  section.text("address", text, kListenAddress);
  if (text.empty()) {
    return;
  }
  to.address = *SocketAddress::parse(text);
  if (to.address.port() != 0) {  // port 0 is a new port each time
    take_once(section, "address", to.address.to_string(), taken,
              "one listener serves all names of an address");
  }
}

void read_name(Section& section, Listener& to, Taken& taken) {
  section.text("name", to.name, kName);
  if (to.name.empty() && to.address.family() != AF_UNSPEC) {
    to.name = to.address.to_string();
  }
  if (!to.name.empty()) {
    take_once(section, "name", to.name, taken, "give each listener its own 'name'");
  }
}

void read_mode(Section& section, Listener& to, const ListenerSurroundings& surroundings) {
  section.choice("mode", to.mode,
                 {{"tcp", Mode::kTcp}, {"http", Mode::kHttp}, {"redirect", Mode::kRedirect}});
  if (to.mode != Mode::kRedirect && section.good({"mode"})) {
    section.require("backend", "the name of a [[backend]]; add it");
  }
  refer_to_backend(section, "backend", to.backend, surroundings);
}

void read_alpn(Section& section, Listener& to) {
  const bool is_http = to.mode == Mode::kHttp;
  if (is_http && !section.has("alpn")) {
    to.alpn = {"h2", "http/1.1"};
  }
  section.texts("alpn", to.alpn, is_http ? kHttpProtocol : kProtocolName);
}

void read_proxy_protocol(Section& section, Listener& to) {
  section.choice("proxy_protocol", to.proxy_protocol, {{"off", false}, {"on", true}});
  for (const ListedText& network : section.texts("proxy_protocol_from", kNetwork)) {
    to.proxy_protocol_from.push_back(*Cidr::parse(network.text));
  }
  if (!section.good({"proxy_protocol", "proxy_protocol_from"})) {
    return;
  }
  if (to.proxy_protocol && to.proxy_protocol_from.empty()) {
    section.problem(section.line("proxy_protocol"),
                    "'proxy_protocol = \"on\"' needs 'proxy_protocol_from'; expected the networks "
                    "whose headers are believed, such as [\"10.0.0.0/8\"]; add them");
  }
  if (!to.proxy_protocol && !to.proxy_protocol_from.empty()) {
    refuse_without_effect(section, "proxy_protocol_from", "'proxy_protocol' is \"off\"",
                          "'proxy_protocol = \"on\"'");
  }
}

void read_client_auth(Section& section, Listener& to) {
  section.choice("client_auth", to.client_auth,
                 {{"off", ClientAuth::kOff},
                  {"optional", ClientAuth::kOptional},
                  {"required", ClientAuth::kRequired}});
  section.text("client_ca", to.client_ca, kOptionalFile);
  section.text("client_crl", to.client_crl, kOptionalFile);
  section.integer("verify_depth", to.verify_depth, 0, kVerifyDepthMax);
  if (!section.good({"client_auth", "client_ca"})) {
    return;
  }
  if (to.client_auth != ClientAuth::kOff) {
    if (to.client_ca.empty()) {
      section.problem(section.line("client_auth"),
                      section.shown("client_auth") +
                          " needs 'client_ca'; expected the PEM file of the authorities whose "
                          "clients are let in; add it");
    }
    return;
  }
  const std::pair<std::string_view, bool> idle[] = {
      {"client_ca", !to.client_ca.empty()},
      {"client_crl", !to.client_crl.empty()},
      {"verify_depth", to.verify_depth != Listener().verify_depth}};
  for (const auto& [key, is_set] : idle) {
    if (is_set) {
      refuse_without_effect(section, key, "'client_auth' is \"off\"",
                            R"('client_auth = "optional"' or "required")");
    }
  }
}

// For the time of a migration: tickets then carry the other program's session context.
void read_session_context(Section& section, Listener& to) {
  section.text("session_context", to.session_context, kSessionContext);
  if (!to.session_context.empty()) {
    section.findings().warning(
        section.line("session_context"),
        section.shown("session_context") +
            ": tickets of the other program resume here whatever host they were made for (not "
            "where "
            "client certificates are asked for), and the other program may resume ours so; remove "
            "it when the migration is done");
  }
}

void read_certificate(const Value& table, const Section& listener, Listener& to) {
  Section section(&table, "[[listener.certificate]]", listener);
  Certificate certificate;
  certificate.place = listener.findings().place(table.line);
  section.require("chain", "the PEM file with the certificate and its intermediates; add it");
  section.text("chain", certificate.chain, kFile);
  section.require("key", "the PEM file with the private key; add it");
  section.text("key", certificate.key, kFile);
  for (const ListedText& name : section.texts("names", kCertificateName)) {
    certificate.names.push_back(lower_case(name.text));
  }
  section.finish();
  to.certificates.push_back(std::move(certificate));
}

void read_certificates(Section& section, Listener& to) {
  for (const Value* table : section.tables("certificate")) {
    read_certificate(*table, section, to);
  }
  if (to.certificates.empty() && to.mode != Mode::kRedirect &&
      section.good({"mode", "certificate"})) {
    section.problem(section.line(),
                    "[[listener]] has no certificate; expected at least one "
                    "[[listener.certificate]] with 'chain' and 'key' below it; add one");
  }
}

// It answers in plain HTTP, and what no route takes it answers itself.
void refuse_keys_of_redirect(Section& section, const Listener& to) {
  const Listener usual;
  const std::pair<std::string_view, bool> unused[] = {
      {"backend", !to.backend.empty()},
      {"alpn", !to.alpn.empty()},
      {"certificate", !to.certificates.empty()},
      {"client_auth", to.client_auth != usual.client_auth},
      {"session_context", !to.session_context.empty()},
      {"tls_headers", to.tls_headers},
      {"hsts", !to.hsts.empty()}};
  for (const auto& [key, is_set] : unused) {
    if (is_set) {
      refuse_without_effect(section, key, "'mode' is \"redirect\"",
                            key == "backend" ? "a [[listener.route]] with what goes there"
                                             : "it at the listener that serves https");
    }
  }
}

}  // namespace

void take_once(Section& section, std::string_view key, const std::string& value, Taken& taken,
               std::string_view advice) {
  const auto [place, is_new] = taken.emplace(value, section.line(key));
  if (!is_new) {
    section.problem(section.line(key), std::string(key) + " \"" + value +
                                           "\" is taken since line " +
                                           std::to_string(place->second) + "; expected another; " +
                                           std::string(advice));
  }
}

void refuse_without_effect(Section& section, std::string_view key, std::string_view condition,
                           std::string_view cure) {
  section.problem(section.line(key), section.shown(key) + " has no effect while " +
                                         std::string(condition) + "; expected " +
                                         std::string(cure) + ", or remove it");
}

void refer_to_backend(Section& section, std::string_view key, std::string& to,
                      const ListenerSurroundings& surroundings) {
  section.text(key, to, kName);
  if (to.empty()) {
    return;
  }
  surroundings.backends_used.emplace(to, section.line(key));
  if (surroundings.backends.contains(to) || !surroundings.backends_named) {
    return;
  }
  std::vector<std::string_view> names;
  for (const auto& [name, line] : surroundings.backends) {
    names.push_back(name);
  }
  const auto near = closest(to, names);
  section.problem(section.line(key),
                  "no [[backend]] is called '" + to + "'; expected the name of one; " +
                      (near ? "did you mean '" + std::string(*near) + "'?" : "add it"));
}

void read_listener(Section& section, Listener& to, ListenerSurroundings surroundings) {
  to.place = section.findings().place(section.line());
  read_address(section, to, surroundings.addresses);
  read_name(section, to, surroundings.names);
  read_mode(section, to, surroundings);
  read_alpn(section, to);
  section.duration("idle_timeout", to.idle_timeout, kIdle);
  read_proxy_protocol(section, to);
  read_client_auth(section, to);
  read_session_context(section, to);
  read_http(section, to, surroundings);
  read_certificates(section, to);
  if (to.mode == Mode::kRedirect) {
    refuse_keys_of_redirect(section, to);
  }
  section.finish();
}

}  // namespace usher::config
