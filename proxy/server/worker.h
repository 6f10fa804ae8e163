#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "proxy/relay/connection.h"
#include "proxy/relay/services.h"
#include "proxy/server/connection_limit.h"
#include "proxy/server/worker_generation.h"
#include "proxy/session/worker_cache.h"
#include "proxy/tls/library_context.h"
#include "proxy/uv/listener.h"
#include "proxy/uv/loop.h"
#include "proxy/uv/mailbox.h"
#include "proxy/uv/timer.h"

namespace usher::server {

// One thread with everything it needs: loop, listening sockets, library context, TLS contexts,
// buffers, counters. A connection lives and dies here (DESIGN §3). Thread: made and joined by main;
// public calls are main's and only post; the rest runs on the own thread. Owner: the server.
class Worker final : public relay::WorkerServices {
 public:
  // What outlives every worker.
  struct Shared {
    const Snapshot<keyring::KeyRing>& rings;          // of tickets
    const Snapshot<keyring::KeyRing>& session_rings;  // of sessions' ids
    ConnectionLimit& limit;
    const relay::AccessSink* access;  // null: off
    metrics::Cell& issued;            // this worker's
    session::MemoryStore& memory;
    session::CacheMetrics& cache_metrics;  // this worker's
  };
  using Sockets = std::map<std::string, UniqueFd>;  // by socket_key

  static Result<std::unique_ptr<Worker>> create(unsigned index, const Shared& shared);
  ~Worker();

  void start(std::function<void()> on_stopped);  // on_stopped: on the worker's thread, its last act
  // Makes the plan's contexts between turns, then calls back on the worker's thread. Nothing else
  // changes until commit(), which switches in one step; discard() forgets the plan.
  void prepare(WorkerPlan plan, std::function<void(Result<void>)> on_prepared);
  void commit(Sockets new_sockets);
  void discard();
  // Listeners take what waits in their queues and close; the thread ends with the last connection,
  // or after `timeout`, closing the rest.
  void drain(std::chrono::milliseconds timeout);
  void stop();  // ends everything now
  // Reads the rings in force, letting go of those before; then calls back on the worker's thread
  // with what tickets' it reads from now on.
  void take_ring(std::function<void(keyring::KeyRing::Version)> on_taken);
  void join();

  void retire(relay::Connection& connection) override;

 private:
  struct ActiveListener {
    std::shared_ptr<const relay::ListenerState> state;
    std::unique_ptr<uv::Listener> listener;
  };

  Worker(unsigned index, const Shared& shared, std::unique_ptr<tls::LibraryContext> library,
         std::unique_ptr<tls::TicketKeys> own_keys);
  void run(const std::function<void()>& on_stopped);
  void at_turn_start();
  void build_slice();
  void fade_slice();
  void switch_to_prepared(Sockets new_sockets);
  void switch_redis();
  void add_listener(const std::string& key, std::shared_ptr<const relay::ListenerState> state,
                    UniqueFd socket);
  void on_accept(ActiveListener& listener, UniqueFd socket, const SocketAddress& peer);
  void begin_drain(std::chrono::milliseconds timeout);
  void on_drain_timeout();
  void close_all(relay::CloseReason reason);
  void end_if_drained();

  const unsigned index_;
  const std::unique_ptr<tls::LibraryContext> library_;
  const std::unique_ptr<tls::TicketKeys> ticket_keys_;
  ConnectionLimit& limit_;
  session::CacheMetrics& cache_metrics_;
  uv::Loop own_loop_;
  std::unique_ptr<session::WorkerCache> own_sessions_;
  relay::AccessLog own_access_log_;
  const std::unique_ptr<std::byte[]> buffers_;
  ByteQueue own_output_;
  uv::Mailbox mailbox_;
  uv::Timer drain_timer_;
  uv::Timer fade_timer_;
  std::thread thread_;

  std::map<std::string, std::unique_ptr<ActiveListener>> listeners_;
  std::unique_ptr<WorkerGeneration> current_;
  std::unique_ptr<WorkerGeneration> prepared_;
  std::function<void(Result<void>)> on_prepared_;
  std::vector<std::shared_ptr<const tls::ServerContext>> fading_;  // of earlier generations
  std::vector<std::unique_ptr<relay::Connection>> connections_;    // by Connection::slot
  std::vector<std::unique_ptr<relay::Connection>> retired_;
  std::uint64_t lost_report_ = 1;  // access lines lost when it is said next
  bool ends_when_empty_ = false;   // the loop, once the last connection has ended
};

}  // namespace usher::server
