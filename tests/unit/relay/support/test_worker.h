#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "proxy/keyring/key_ring.h"
#include "proxy/relay/connection.h"
#include "proxy/relay/services.h"
#include "proxy/tls/library_context.h"
#include "proxy/uv/listener.h"
#include "proxy/uv/loop.h"
#include "proxy/uv/mailbox.h"

namespace usher::relay::test {

// True as soon as `condition` is, false after ten seconds.
bool eventually(const std::function<bool()>& condition);

// What a test may change before the worker starts.
struct Settings {
  config::Backend backend;
  tls::ListenerTls tls;
  ListenerState listener;
  bool tickets = false;
  tls::SessionCache* sessions = nullptr;  // outlives the worker, used on its thread
  int client_send_buffer = 0;             // SO_SNDBUF of accepted sockets; 0: the kernel's choice
};

// A worker with one listener on a thread of its own: real loop, real sockets on 127.0.0.1, real
// connections. The test's thread plays client and backend with blocking calls.
class TestWorker final : public WorkerServices {
 public:
  // One backend server per address list.
  explicit TestWorker(
      backend::Endpoints servers, const std::function<void(Settings&)>& change = [](Settings&) {});
  ~TestWorker();

  SocketAddress address() const { return address_; }
  const ListenerMetrics& metrics() const { return metrics_; }
  const backend::BackendMetrics::Server& server(std::size_t index) const {
    return backend_metrics_->per_server[index];
  }
  const metrics::Cell& issued() const { return issued_; }

  // Exactly one connection has ended so far, for this reason, and nothing of it is left.
  bool closed_once_with(CloseReason reason) const;
  bool in_phase(Phase phase) const;  // some connection is
  void close_all(CloseReason reason);
  void call(const std::function<void()>& what);  // on the worker's thread; returns when done

  void retire(Connection& connection) override;

 private:
  void on_accept(UniqueFd socket, const SocketAddress& peer);
  void on_stop();

  std::unique_ptr<tls::LibraryContext> library_;
  uv::Loop own_loop_;
  AccessLog own_log_;
  metrics::Cell issued_;
  std::vector<std::byte> buffers_;
  ByteQueue own_output_;
  Snapshot<keyring::KeyRing> rings_;
  std::unique_ptr<tls::TicketKeys> own_keys_;
  ListenerMetrics metrics_;
  std::shared_ptr<backend::BackendMetrics> backend_metrics_;
  std::shared_ptr<const ListenerState> state_;
  uv::Mailbox mailbox_;
  std::unique_ptr<uv::Listener> listener_;
  SocketAddress address_;
  int client_send_buffer_ = 0;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<std::unique_ptr<Connection>> retired_;
  std::thread thread_;
};

}  // namespace usher::relay::test
