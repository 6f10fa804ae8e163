#pragma once

#include <optional>

#include "proxy/admin/http_message.h"
#include "proxy/server/key_control.h"
#include "proxy/server/session_caches.h"

namespace usher::server {

struct ServerStatus;

// What the control socket has beside the admin pages: GET /keys /sessions, and the changes POST
// /keys/rotate /keys/revoke /keys/export /keys/import /sessions/flush /reload /drain (CONTRACT).
// JSON in and out; key files are raw bodies. Thread: main's loop. Owner: AdminPages; what it is
// made of outlives it.
class ControlPages {
 public:
  ControlPages(KeyControl& keys, SessionCaches& sessions, ProcessControl process,
               const ServerStatus& status)
      : keys_(keys), sessions_(sessions), process_(std::move(process)), status_(status) {}

  // None: there is no such page, for whoever asks. Only peers of the control socket have any.
  std::optional<admin::Response> respond(admin::Request& request);

 private:
  struct Page;

  admin::Response show_keys(admin::Request& request);
  admin::Response rotate(admin::Request& request);
  admin::Response revoke(admin::Request& request);
  admin::Response export_keys(admin::Request& request);
  admin::Response import_keys(admin::Request& request);
  admin::Response show_sessions(admin::Request& request);
  admin::Response flush_sessions(admin::Request& request);
  admin::Response reload(admin::Request& request);
  admin::Response drain(admin::Request& request);

  KeyControl& keys_;
  SessionCaches& sessions_;
  const ProcessControl process_;
  const ServerStatus& status_;
};

}  // namespace usher::server
