#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "proxy/backend/backend_metrics.h"
#include "proxy/backend/group.h"
#include "proxy/base/byte_queue.h"
#include "proxy/base/socket_address.h"
#include "proxy/relay/access_log.h"
#include "proxy/relay/application.h"
#include "proxy/relay/listener_metrics.h"
#include "proxy/tls/server_context.h"
#include "proxy/tls/session_cache.h"
#include "proxy/tls/ticket_callback.h"
#include "proxy/uv/loop.h"

namespace usher::relay {

class Connection;

// What a connection needs of its listener: one per worker, listener and generation. A connection
// keeps the one it was accepted with; a reload gives new connections a new one. Thread: the
// worker's. Owner: shared by the generation and its connections.
struct ListenerState {
  std::string name;
  // Taken at accept; null once a newer generation is in force, whatever connections remain.
  std::shared_ptr<const tls::ServerContext> tls;
  bool plain = false;                                        // no TLS: a redirect listener
  std::shared_ptr<const ApplicationFactory> application;     // null: tcp mode
  std::shared_ptr<backend::Group> backend;                   // of tcp mode, as its metrics
  std::shared_ptr<backend::BackendMetrics> backend_metrics;  // one entry per server of the group
  ListenerMetrics* metrics = nullptr;  // this worker's; lives as long as the process
  std::chrono::milliseconds handshake_timeout{10'000};
  std::chrono::milliseconds idle_timeout{300'000};
  bool proxy_protocol_in = false;
  std::vector<Cidr> proxy_protocol_from;
};

// Something that its owner gave up although a call of it may still be on the stack.
struct Retired {
  virtual ~Retired() = default;
};

// What all connections of a worker share: its loop, its buffers (used within one callback only,
// never held across turns), its keys and its log. Thread: the worker's. Owner: the worker; outlives
// its connections.
struct WorkerServices {
  // From a client socket (TLS) or a backend socket (plain): one read's worth. 256 KiB: DESIGN §4's
  // figures.
  static constexpr std::size_t kReceiveSize = 256 * 1024;

  uv::Loop& loop;
  tls::TicketKeys* keys;                  // null when tickets are off
  tls::SessionCache* sessions = nullptr;  // null: no sessions by id
  AccessLog& access_log;
  metrics::Cell& tickets_issued;
  std::span<std::byte> receive;  // kReceiveSize bytes
  std::span<std::byte> plain;    // kReceiveSize bytes
  ByteQueue& output;             // TLS output of the current callback, sent with one write
  bool draining = false;         // applications begin nothing new
  std::vector<std::unique_ptr<Retired>> retired;  // freed at the next turn's start

  // Ends the connection: unlinks it and frees it at the next turn's start. Called once per
  // connection, last, by Connection::close(); the object must not be used afterwards in that
  // callback except to return.
  virtual void retire(Connection& connection) = 0;

 protected:
  WorkerServices(uv::Loop& own_loop, tls::TicketKeys* own_keys, AccessLog& log,
                 metrics::Cell& issued, std::span<std::byte> receive_buffer,
                 std::span<std::byte> plain_buffer, ByteQueue& output_queue)
      : loop(own_loop),
        keys(own_keys),
        access_log(log),
        tickets_issued(issued),
        receive(receive_buffer),
        plain(plain_buffer),
        output(output_queue) {}
  ~WorkerServices() = default;
};

}  // namespace usher::relay
