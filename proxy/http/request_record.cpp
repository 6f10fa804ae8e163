#include "proxy/http/request_record.h"

#include "proxy/relay/access_log.h"
#include "proxy/relay/services.h"
#include "proxy/tls/tls_session.h"

namespace usher::http {
namespace {

using std::chrono::milliseconds;

// What the access line keeps of a target.
constexpr std::size_t kPathMax = 2048;

std::string_view name_of(Version version) {
  switch (version) {
    case Version::k10:
      return "HTTP/1.0";
    case Version::k11:
      return "HTTP/1.1";
    case Version::k2:
      return "HTTP/2";
  }
  return "";
}

milliseconds between(RequestRecord::Clock::time_point from, RequestRecord::Clock::time_point to) {
  if (from == RequestRecord::Clock::time_point() || to < from) {
    return milliseconds(0);
  }
  return std::chrono::duration_cast<milliseconds>(to - from);
}

}  // namespace

void RequestRecord::note_head(const RequestHead& head, bool logged) {
  has_head_ = true;
  version_ = head.version;
  if (logged) {
    host_ = head.authority;
    method_ = head.method_text;
    path_ = head.target.substr(0, kPathMax);
  }
}

void RequestRecord::report(relay::ClientPort& port, const Site& site, const backend::Group* group,
                           std::string_view reason) const {
  const auto now = Clock::now();
  HttpMetrics& metrics = *site.settings().metrics;
  metrics.requests_of(status).add();
  metrics.request_seconds.observe(now - began_);
  if (port.services().access_log.enabled()) {
    port.note_request_logged();
    write_line(port, group, reason, now);
  }
}

void RequestRecord::write_line(relay::ClientPort& port, const backend::Group* group,
                               std::string_view reason, Clock::time_point now) const {
  const std::string client = port.peer().to_string();
  relay::RequestEntry entry;
  std::string server;
  entry.listener = port.listener().name;
  entry.client = client;
  entry.host = host_;
  entry.method = method_;
  entry.path = path_;
  entry.protocol = has_head_ ? name_of(version_) : std::string_view();
  entry.status = status;
  entry.bytes_in = bytes_in;
  entry.bytes_out = bytes_out;
  entry.request_id = request_id;
  tls::TlsFacts facts;
  if (port.tls() != nullptr) {
    facts = port.tls()->facts();
    entry.sni = facts.sni;
    entry.version = facts.version;
    entry.resumption = name_of(facts.resumption);
  }
  if (group != nullptr) {
    entry.backend = group->settings().name;
    if (server_ != kNoServer) {
      server = group->settings().servers[server_].label();
      entry.server = server;
    }
  }
  entry.duration = between(began_, now);
  entry.connect = between(connected_ == Clock::time_point() ? now : began_, connected_);
  entry.wait = between(sent_, answered_);
  entry.retries = attempts_ > 0 ? attempts_ - 1 : 0;
  entry.reason = reason;
  port.services().access_log.write(entry);
}

}  // namespace usher::http
