#include "keyd/pages.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "proxy/admin/json_response.h"
#include "proxy/admin/key_requests.h"
#include "proxy/base/bytes.h"
#include "proxy/base/check.h"
#include "proxy/keyring/ring_changes.h"
#include "proxy/keyring/ring_json.h"

namespace usher::keyd {
namespace {

using admin::Access;
using admin::error_response;
using admin::json_response;
using admin::Request;
using admin::Response;
using nlohmann::json;

json version_json(const keyring::KeyRing::Version& version) {
  return {{"term", version.term}, {"version", version.version}};
}

double seconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

json members_json(const std::vector<Daemon::Seen>& members, BootClock::time_point now) {
  json list = json::array();
  for (const Daemon::Seen& seen : members) {
    const Member& member = seen.member;
    list.push_back({{"node", member.node},
                    {"instance", hex(member.instance)},
                    {"applied", member.applied ? version_json(*member.applied) : json(nullptr)},
                    {"current", seen.current},
                    {"connected", seen.connected},
                    {"last_heard_seconds", std::max(0.0, seconds(now - member.last_heard))}});
  }
  return list;
}

json held_json(const std::optional<Fleet::Held>& held, BootClock::time_point now) {
  return held ? json{{"seconds", seconds(now - held->since)},
                     {"next_epoch", held->epoch},
                     {"waiting_for", held->waiting_for}}
              : json(nullptr);
}

std::string_view name_of(Daemon::Role role) {
  switch (role) {
    case Daemon::Role::kStarting:
      return "starting";
    case Daemon::Role::kLost:
      return "without store";
    case Daemon::Role::kFollowing:
      return "standby";
    case Daemon::Role::kLeading:
      return "leading";
    case Daemon::Role::kStopped:
      break;
  }
  return "draining";
}

Response plain(int status, std::string text) {
  return {status, "text/plain; charset=utf-8", std::move(text)};
}

Response refused(const Daemon::CommandRefusal& refusal) {
  return error_response(refusal.status, refusal.why);
}

}  // namespace

struct Pages::Page {
  std::string_view path;
  bool control;  // on the control socket only
  bool changes;
  void (Pages::*answer)(Request&, const Answer&);
};

void Pages::respond(Request& request, const Answer& answer) {
  static constexpr Page kPages[] = {
      {"/metrics", false, false, &Pages::show_metrics},
      {"/healthz", false, false, &Pages::show_health},
      {"/readyz", false, false, &Pages::show_ready},
      {"/status", false, false, &Pages::show_status},
      {"/keys", true, false, &Pages::show_keys},
      {"/nodes", true, false, &Pages::show_nodes},
      {"/keys/rotate", true, true, &Pages::rotate},
      {"/keys/revoke", true, true, &Pages::revoke},
      {"/keys/export", true, true, &Pages::export_keys},
      {"/keys/import", true, true, &Pages::import_keys},
      {"/nodes/forget", true, true, &Pages::forget},
      {"/reload", true, true, &Pages::reload},
      {"/drain", true, true, &Pages::drain},
  };
  const auto page = std::ranges::find(kPages, std::string_view(request.path), &Page::path);
  if (request.access >= Access::kRead && request.path.starts_with("/sessions")) {
    answer(error_response(404, "usher-keyd keeps no sessions: ask a proxy's control socket"));
    return;
  }
  if (page == std::end(kPages) || (page->control && request.access < Access::kRead)) {
    answer(request.method == "POST"
               ? *admin::wrong_method(request, false)
               : error_response(404,
                                "not found; there are /metrics /healthz /readyz /status, and "
                                "/keys /nodes on the control socket"));
    return;
  }
  if (auto refusal = admin::wrong_method(request, page->changes)) {
    answer(*std::move(refusal));
    return;
  }
  CHECK(!page->changes || request.access == Access::kChange);  // RequestReader refused others
  (this->*page->answer)(request, answer);
}

void Pages::show_metrics(Request&, const Answer& answer) {
  answer({200, "text/plain; version=0.0.4; charset=utf-8", registry_.text()});
}

void Pages::show_health(Request&, const Answer& answer) {
  answer(plain(200, "ok\n"));
}

void Pages::show_ready(Request&, const Answer& answer) {
  const bool ready = daemon_.trouble().empty() && daemon_.ring() != nullptr;
  answer(ready ? plain(200, "ready\n")
               : plain(503, daemon_.trouble().empty() ? "starting\n" : daemon_.trouble() + "\n"));
}

void Pages::show_status(Request&, const Answer& answer) {
  const auto now = BootClock::now();
  json status = {{"version", USHER_VERSION},
                 {"openssl", OpenSSL_version(OPENSSL_VERSION_STRING)},
                 {"state", status_.draining ? "draining" : name_of(daemon_.role())},
                 {"started", std::chrono::duration_cast<std::chrono::seconds>(
                                 status_.started.time_since_epoch())
                                 .count()},
                 {"config", status_.config},
                 {"generation", status_.reloads_ok + 1},
                 {"fleet_name", status_.fleet},
                 {"listening", daemon_.publisher().addresses()},
                 {"members", daemon_.members().size()},
                 {"store_up", daemon_.store_up()},
                 {"reloads",
                  {{"begun", status_.reloads_ok + status_.reloads_failed},
                   {"ok", status_.reloads_ok},
                   {"failed", status_.reloads_failed},
                   {"last_error", status_.last_reload_error}}}};
  if (!daemon_.trouble().empty()) {
    status["trouble"] = daemon_.trouble();
  }
  if (const keyring::KeyRing* ring = daemon_.ring()) {
    status["tickets"] = keyring::ring_json(*ring, now);
    status["tickets"]["seals"] = ring->sealing_key(now) != nullptr;
  }
  answer(json_response(200, status));
}

void Pages::show_keys(Request&, const Answer& answer) {
  const auto now = BootClock::now();
  const keyring::KeyRing none;
  json body = keyring::ring_json(daemon_.ring() == nullptr ? none : *daemon_.ring(), now);
  body["source"] = "keyd-daemon";
  body["members"] = members_json(daemon_.members(), now);
  body["leading"] = daemon_.role() == Daemon::Role::kLeading;
  body["leader"] = daemon_.leader();
  body["held"] = held_json(daemon_.held(), now);
  body["store_up"] = daemon_.store_up();
  answer(json_response(200, body));
}

void Pages::show_nodes(Request&, const Answer& answer) {
  answer(json_response(200, {{"members", members_json(daemon_.members(), BootClock::now())}}));
}

void Pages::answer_rotated(const Daemon::Changed& changed, const Answer& answer) const {
  json body = version_json(changed.version);
  const auto* next = keyring::find_key(*daemon_.ring(), keyring::KeyState::kNext);
  body["promoted"] = next == nullptr;
  if (next != nullptr) {
    const auto held = daemon_.held();
    body["next_epoch"] = next->key->epoch;
    body["waiting_for"] = held ? json(held->waiting_for) : json::array();
  }
  answer(json_response(next == nullptr ? 200 : 202, body));
}

void Pages::rotate(Request& request, const Answer& answer) {
  auto now = admin::parse_rotate(request);
  if (!now) {
    answer(std::move(now).error());
    return;
  }
  daemon_.rotate(*now, [this, answer](const auto& rotated) {
    rotated ? answer_rotated(*rotated, answer) : answer(refused(rotated.error()));
  });
}

void Pages::revoke(Request& request, const Answer& answer) {
  auto name = admin::parse_revoke(request);
  if (!name) {
    answer(std::move(name).error());
    return;
  }
  daemon_.revoke(*name, [answer](const auto& revoked) {
    if (!revoked) {
      answer(refused(revoked.error()));
      return;
    }
    json body = version_json(revoked->version);
    body["promoted"] = true;
    answer(json_response(200, body));
  });
}

void Pages::export_keys(Request& request, const Answer& answer) {
  auto format = admin::parse_export(request);
  if (!format) {
    answer(std::move(format).error());
    return;
  }
  if (daemon_.ring() == nullptr) {
    answer(error_response(503, "there are no ticket keys yet"));
    return;
  }
  auto file = keyring::format_keys(*daemon_.ring(), *format, BootClock::now(), unix_now());
  answer(file ? admin::key_file_response(*std::move(file))
              : error_response(409, file.error().message));
}

void Pages::import_keys(Request& request, const Answer& answer) {
  auto wanted = admin::parse_import(request);
  if (!wanted) {
    answer(std::move(wanted).error());
    return;
  }
  daemon_.import_keys(wanted->format, std::move(request.body), wanted->replace,
                      [answer](const auto& imported) {
                        if (!imported) {
                          answer(refused(imported.error()));
                          return;
                        }
                        json body = version_json(imported->version);
                        body["imported"] = imported->count;
                        answer(json_response(200, body));
                      });
}

void Pages::forget(Request& request, const Answer& answer) {
  const auto node = admin::only_member(request, "node");
  if (!node) {
    answer(error_response(400, R"(the body must be {"node": "NODE"})"));
    return;
  }
  daemon_.forget(*node, [answer](const auto& forgotten) {
    answer(forgotten ? json_response(200, {{"forgotten", forgotten->count}})
                     : refused(forgotten.error()));
  });
}

void Pages::reload(Request&, const Answer& answer) {
  if (status_.draining) {
    answer(error_response(409, "draining: no reload any more"));
    return;
  }
  const std::uint64_t number = status_.reloads_ok + status_.reloads_failed + 1;
  control_.reload();
  answer(json_response(202, {{"reload", number}}));
}

void Pages::drain(Request&, const Answer& answer) {
  answer(json_response(202, json::object()));
  control_.drain();
}

}  // namespace usher::keyd
