#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "proxy/base/byte_queue.h"
#include "proxy/base/socket_address.h"
#include "proxy/config/backend.h"
#include "proxy/tls/backend_tls.h"
#include "proxy/uv/send_queue.h"
#include "proxy/uv/stream.h"
#include "proxy/uv/timer.h"

namespace usher::tls {
class BackendSession;
}

namespace usher::backend {

// One active check of one server: connects to its addresses in turn until one is good. TCP checks
// are through when the connection (with TLS: the handshake) stands, HTTP checks when a status line
// of 2xx or 3xx has come (RFC 9112 §4). Nothing behind the status is read. Where the backend
// expects a PROXY header it gets one of no client (LOCAL, UNKNOWN). Thread: main's loop. Owner:
// HealthChecks.
class HealthProbe {
 public:
  // "" is good, else what was wrong with the last address. May come from inside start(); the probe
  // may be started again then, not destroyed.
  using OnDone = std::function<void(const std::string& failure)>;

  // `backend` and `tls` (null: no TLS) outlive it.
  HealthProbe(uv::Loop& loop, const config::Backend& backend, std::size_t server,
              tls::BackendTls* tls, OnDone on_done);
  ~HealthProbe();
  HealthProbe(const HealthProbe&) = delete;

  void start(std::vector<SocketAddress> addresses);  // not empty; each has health.timeout

 private:
  enum class State : std::uint8_t { kIdle, kConnecting, kHandshaking, kAwaitingStatus };

  void try_next();
  void on_ready(uv::Ready ready);
  void on_timeout();
  void on_connected();
  void on_readable();
  void advance_tls(ByteView received);
  void on_secure();
  void take_response(ByteView plain);
  void send_plain(ByteView bytes);
  void send_request();
  void watch();
  void fail(const std::string& why);
  void finish(const std::string& failure);
  void close();

  uv::Loop& loop_;
  const config::Backend& backend_;
  std::size_t server_;
  tls::BackendTls* tls_;
  OnDone on_done_;
  std::vector<SocketAddress> addresses_;
  std::size_t next_ = 0;
  State state_ = State::kIdle;
  uv::Stream stream_;
  uv::SendQueue output_;
  ByteQueue encrypted_;  // what the session appends, within one call
  std::unique_ptr<tls::BackendSession> session_;
  std::string status_line_;  // its first bytes
  uv::Timer timer_;
  std::array<std::byte, 4096> received_{};
  std::array<std::byte, 4096> plain_{};
};

}  // namespace usher::backend
