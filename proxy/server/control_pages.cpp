#include "proxy/server/control_pages.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "proxy/admin/json_response.h"
#include "proxy/admin/query.h"
#include "proxy/base/bytes.h"
#include "proxy/keyring/key_words.h"
#include "proxy/keyring/ring_json.h"
#include "proxy/server/admin_pages.h"

namespace usher::server {
namespace {

using admin::error_response;
using admin::json_response;
using nlohmann::json;

constexpr int kOk = 200;
constexpr int kAccepted = 202;
constexpr int kBadRequest = 400;
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

// The string member of a request's JSON object; none when it is not of that shape.
std::optional<std::string> member_of(const admin::Request& request, const char* name) {
  const json body = json::parse(request.body_text(), nullptr, false);
  if (!body.is_object() || body.size() != 1 || !body.contains(name) || !body[name].is_string()) {
    return std::nullopt;
  }
  return body[name].get<std::string>();
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
  const bool posted = request.method == "POST";
  if (posted != page->changes) {
    admin::Response response = error_response(
        405, page->changes ? "this is a change: use POST" : "this page can only be read");
    response.allow = page->changes ? "POST" : "GET, HEAD";
    return response;
  }
  CHECK(!posted || request.access == admin::Access::kChange);  // RequestReader refused others
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
  const auto query = admin::parse_query(request.query, {"now"});
  if (!query) {
    return error_response(kBadRequest, query.error().message);
  }
  if (const auto now = admin::query_switch(*query, "now"); !now) {
    return error_response(kBadRequest, now.error().message);
  }
  const auto rotated = keys_.rotate();
  return rotated ? promoted(*rotated) : refused(rotated.error());
}

admin::Response ControlPages::revoke(admin::Request& request) {
  const auto text = member_of(request, "name");
  const auto name = text ? keyring::parse_key_name(*text) : std::nullopt;
  if (!name) {
    return error_response(kBadRequest,
                          R"(the body must be {"name": "NAME"}, a key's name in 32 hex digits)");
  }
  const auto revoked = keys_.revoke(*name);
  return revoked ? promoted(*revoked) : refused(revoked.error());
}

admin::Response ControlPages::export_keys(admin::Request& request) {
  const auto word = member_of(request, "format");
  const auto format = word ? keyring::parse_key_file_format(*word) : std::nullopt;
  if (!format) {
    return error_response(kBadRequest, R"(the body must be {"format": "FORMAT"}: )" +
                                           std::string(keyring::kKeyFileFormats));
  }
  auto file = keys_.export_keys(*format);
  if (!file) {
    return refused(file.error());
  }
  admin::Response response;
  response.content_type = "application/octet-stream";
  response.secret_body = *std::move(file);
  return response;
}

admin::Response ControlPages::import_keys(admin::Request& request) {
  const auto query = admin::parse_query(request.query, {"format", "replace"});
  if (!query) {
    return error_response(kBadRequest, query.error().message);
  }
  const auto replace = admin::query_switch(*query, "replace");
  if (!replace) {
    return error_response(kBadRequest, replace.error().message);
  }
  const auto word = query->find("format");
  const auto format =
      word == query->end() ? std::nullopt : keyring::parse_key_file_format(word->second);
  if (!format) {
    return error_response(kBadRequest,
                          "parameter \"format\" must be " + std::string(keyring::kKeyFileFormats));
  }
  if (request.body.size() == 0) {
    return error_response(kBadRequest, "the body must be the key file's bytes; it is empty");
  }
  const auto imported = keys_.import_keys(*format, std::move(request.body), *replace);
  if (!imported) {
    return refused(imported.error());
  }
  json body = version_json(imported->version);
  body["imported"] = imported->keys;
  return json_response(kOk, body);
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
