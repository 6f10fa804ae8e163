#include "proxy/server/control_pages.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "proxy/admin/json_response.h"
#include "proxy/admin/key_requests.h"
#include "proxy/base/bytes.h"
#include "proxy/base/log.h"
#include "proxy/keyring/ring_json.h"
#include "proxy/server/admin_pages.h"
#include "proxy/server/session_json.h"

namespace usher::server {
namespace {

using admin::error_response;
using admin::json_response;
using nlohmann::json;

constexpr int kOk = 200;
constexpr int kAccepted = 202;
constexpr int kConflict = 409;

json version_json(const keyring::KeyRing::Version& version) {
  return {{"term", version.term}, {"version", version.version}};
}

json workers_json(const std::vector<keyring::KeyRing::Version>& workers) {
  json list = json::array();
  for (const keyring::KeyRing::Version& version : workers) {
    json worker = version_json(version);
    worker["worker"] = list.size();
    list.push_back(std::move(worker));
  }
  return list;
}

json endpoints_json(const std::vector<KeydEndpointState>& endpoints) {
  json list = json::array();
  for (const KeydEndpointState& state : endpoints) {
    json endpoint = version_json(state.last_pushed);
    endpoint["endpoint"] = state.endpoint;
    endpoint["connected"] = state.connected;
    endpoint["peer"] = state.peer;
    endpoint["error"] = state.error;
    list.push_back(std::move(endpoint));
  }
  return list;
}

admin::Response refused(const KeyRefusal& refusal) {
  return error_response(refusal.status, refusal.why);
}

admin::Response promoted(const KeyControl::Changed& changed) {
  json body = version_json(changed.version);
  body["promoted"] = true;  // every worker sees the ring at its next ticket
  return json_response(kOk, body);
}

}  // namespace

struct ControlPages::Page {
  std::string_view path;
  bool changes;
  admin::Response (ControlPages::*answer)(admin::Request&);
};

std::optional<admin::Response> ControlPages::respond(admin::Request& request) {
  static constexpr Page kPages[] = {
      {"/keys", false, &ControlPages::show_keys},
      {"/keys/rotate", true, &ControlPages::rotate},
      {"/keys/revoke", true, &ControlPages::revoke},
      {"/keys/export", true, &ControlPages::export_keys},
      {"/keys/import", true, &ControlPages::import_keys},
      {"/sessions", false, &ControlPages::show_sessions},
      {"/sessions/flush", true, &ControlPages::flush_sessions},
      {"/reload", true, &ControlPages::reload},
      {"/drain", true, &ControlPages::drain},
  };
  if (request.access >= admin::Access::kRead && request.path.starts_with("/nodes")) {
    return error_response(404, "usher-keyd knows the nodes: ask its control socket");
  }
  const auto page = std::ranges::find(kPages, std::string_view(request.path), &Page::path);
  if (page == std::end(kPages) || request.access < admin::Access::kRead) {
    return std::nullopt;
  }
  if (auto refusal = admin::wrong_method(request, page->changes)) {
    return refusal;
  }
  CHECK(!page->changes ||
        request.access == admin::Access::kChange);  // RequestReader refused others
  return (this->*page->answer)(request);
}

admin::Response ControlPages::show_keys(admin::Request&) {
  const KeyStatus status = keys_.key_status();
  json body = keyring::ring_json(*status.ring, BootClock::now());
  body["source"] = status.source;
  body["workers"] = workers_json(status.workers);
  if (status.source == "keyd") {
    // Keys of an earlier source that still open are not keyd's: its digest is what can be compared.
    body["digest"] = status.pushed_digest ? json(hex(*status.pushed_digest)) : json(nullptr);
    body["endpoints"] = endpoints_json(status.endpoints);
  }
  if (status.source == "file") {
    body["files"] = status.files;
  }
  return json_response(kOk, body);
}

admin::Response ControlPages::rotate(admin::Request& request) {
  // `now` is for keyd, which may have to wait for others; here a rotation is always at once.
  if (auto now = admin::parse_rotate(request); !now) {
    return std::move(now).error();
  }
  const auto rotated = keys_.rotate();
  return rotated ? promoted(*rotated) : refused(rotated.error());
}

admin::Response ControlPages::revoke(admin::Request& request) {
  auto name = admin::parse_revoke(request);
  if (!name) {
    return std::move(name).error();
  }
  const auto revoked = keys_.revoke(*name);
  return revoked ? promoted(*revoked) : refused(revoked.error());
}

admin::Response ControlPages::export_keys(admin::Request& request) {
  auto format = admin::parse_export(request);
  if (!format) {
    return std::move(format).error();
  }
  auto file = keys_.export_keys(*format);
  return file ? admin::key_file_response(*std::move(file)) : refused(file.error());
}

admin::Response ControlPages::import_keys(admin::Request& request) {
  auto wanted = admin::parse_import(request);
  if (!wanted) {
    return std::move(wanted).error();
  }
  const auto imported = keys_.import_keys(wanted->format, std::move(request.body), wanted->replace);
  if (!imported) {
    return refused(imported.error());
  }
  json body = version_json(imported->version);
  body["imported"] = imported->keys;
  return json_response(kOk, body);
}

admin::Response ControlPages::show_sessions(admin::Request&) {
  return json_response(kOk, sessions_json(sessions_.status()));
}

// The memory tier alone: what Redis holds belongs to the fleet (CONTRACT "Commands").
admin::Response ControlPages::flush_sessions(admin::Request&) {
  const std::size_t flushed = sessions_.flush();
  log::info("the memory tier of session caches was emptied", {{"sessions", flushed}});
  return json_response(kOk, {{"flushed", flushed}});
}

// `reload`: which of /status' reloads (ok + failed, counted from 1) will have read the file after
// this request. One that is under way may have read it before.
admin::Response ControlPages::reload(admin::Request&) {
  if (status_.draining) {
    return error_response(kConflict, "draining: no reload any more");
  }
  if (status_.generation && status_.generation->config.path.empty()) {
    return error_response(kConflict, "there is no configuration file to reload");
  }
  const std::uint64_t number = status_.reloads_begun + 1;
  process_.reload();
  return json_response(kAccepted, {{"reload", number}});
}

admin::Response ControlPages::drain(admin::Request&) {
  process_.drain();
  return json_response(kAccepted, json::object());
}

}  // namespace usher::server
