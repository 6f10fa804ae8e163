#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "proxy/relay/application.h"
#include "proxy/relay/dialer.h"
#include "proxy/relay/flow.h"
#include "proxy/relay/phase.h"
#include "proxy/relay/services.h"
#include "proxy/tls/tls_session.h"
#include "proxy/uv/timer.h"

namespace usher::relay {

// One client connection: TLS from the client, then bytes both ways to a backend (tcp mode) or an
// Application that speaks HTTP. One writer of its state, enter(Phase), counts, logs and arms that
// phase's timer (DESIGN §4). Thread: the worker's. Owner: the worker, until retire(); freed at the
// next turn's start.
class Connection final : public ClientPort, private tls::HandshakeWaiter {
 public:
  using Listener = std::shared_ptr<const ListenerState>;
  static std::unique_ptr<Connection> accept(WorkerServices& services, Listener listener,
                                            UniqueFd socket, const SocketAddress& peer);
  ~Connection();
  Connection(const Connection&) = delete;

  void start();                    // the first read; may already end the connection
  void close(CloseReason reason);  // idempotent; ends in services.retire(*this)
  void drain();                    // the process ends: an application finishes what runs
  Phase phase() const { return phase_; }

  void write(ByteView plain) override;
  std::size_t output_room() const override;
  void commit() override;
  void end_output() override;
  void end(CloseReason reason) override;
  void cut_off(CloseReason reason) override;
  void note_request_logged() override { requests_logged_ = true; }
  SocketAddress local() const override;

  std::size_t slot = 0;  // where the worker's table of connections has it; the worker's to write

 private:
  Connection(WorkerServices& services, Listener listener, const SocketAddress& peer);

  // connection.cpp. What may end the connection is followed by a return or a look at the phase.
  void enter(Phase phase);
  void on_client(uv::Ready ready);
  void on_backend(uv::Ready ready);
  void arm_timer();
  void on_timer();
  void on_deadline();
  uv::LoopTime deadline() const;
  void release_backend();
  void count_close();
  void write_access_line();
  std::string failure_detail() const;
  // connection_handshake.cpp: until the client may speak to a backend.
  void on_client_before_relaying(uv::Ready ready);
  void take_proxy_header(ByteView received);
  void advance_handshake(ByteView received);
  void on_handshake_resumable() override;
  void watch_before_relaying();
  void on_handshake_done();
  void count_handshake();
  void dial();  // connection_dialing.cpp: until a backend listens
  void try_next_server();
  void on_client_while_dialing(uv::Ready ready);
  void on_dialed();
  void on_connected();
  void queue_proxy_header();

  void begin_application();  // connection_application.cpp: an application speaks
  void on_client_speaking(uv::Ready ready);
  void call_application(void (Application::*call)());
  void take_for_application(ByteView received);
  void tell_client_ended(bool truncated);
  std::size_t application_takes() const;
  bool application_reads() const;
  void settle_application();
  void write_out();
  bool goes_on_writing() const;
  void seal(ByteView plain);
  void stop_application();

  void begin_relaying();  // connection_relaying.cpp: bytes both ways
  void on_client_relaying(uv::Ready ready);
  void on_backend_relaying(uv::Ready ready);
  bool client_may_be_read() const;
  bool reads_client() const;
  bool reads_backend() const;
  void receive_from_client(std::size_t most);
  void receive_from_backend();
  void decrypt(ByteView received);
  void encrypt(ByteView plain);
  tls::IoOutcome write_records(ByteView plain);
  void note_backend_write(const uv::IoResult& result);
  void on_backend_ended();
  void settle();

  void finish(CloseReason reason);  // connection_ending.cpp: last bytes on their way out
  void on_client_draining(uv::Ready ready);
  void continue_draining();
  void lose_client(CloseReason instead_of_finished);

  ByteView with_held(ByteView received);
  void hold(ByteView rest);
  ByteQueue& tls_output();
  void send_tls_output(uv::More more = uv::More::kNo);
  void flush_client();
  void note_activity() { last_activity_ = services_.loop.now(); }
  static constexpr std::uint32_t kNoServer = 0xffff'ffff;

  uv::Stream client_;
  uv::Stream backend_;
  uv::Timer timer_;
  std::shared_ptr<const tls::ServerContext> context_;  // until the session is made from it
  std::unique_ptr<Dialer> dialer_;                     // only while dialing
  std::unique_ptr<Application> application_;           // null in tcp mode
  std::unique_ptr<SocketAddress> told_destination_;    // by a PROXY header; null: the socket's own
  Flow to_backend_;
  Flow to_client_;
  ByteQueue held_;  // TLS bytes that the session has not taken; while there are any nothing is read
  ByteQueue unwritten_;  // plaintext that the session could not take
  std::chrono::steady_clock::time_point accepted_at_;
  uv::LoopTime started_{0};
  uv::LoopTime phase_since_{0};
  uv::LoopTime last_encrypted_{0};
  uv::LoopTime timer_due_{0};
  std::uint32_t handshake_ms_ = 0;
  std::uint32_t server_ = kNoServer;      // index of the connected (or last dialed) server
  std::uint32_t small_records_left_ = 0;  // plaintext bytes that still go in small records
  int backend_error_ = 0;                 // errno of the last backend failure, for the log
  Phase phase_ = Phase::kAccepted;
  CloseReason ending_ = CloseReason::kFinished;  // while draining: why
  bool backend_connected_ = false;               // counted as such
  bool client_fin_ = false;     // TCP's end; close_notify is to_backend_.source_ended()
  bool backend_reset_ = false;  // a write found out: the EOF that reads will see is none
  bool backend_fin_ = false;    // there is nothing more to read
  bool fin_sent_ = false;       // to the client, while draining
  bool requests_logged_ = false;
  bool application_busy_ = false;  // a call of it is on the stack
  bool application_stopped_ = false;
  bool client_end_told_ = false;  // to the application
  bool lacked_room_ = false;      // output_room() was 0 at the last callback's end
};

}  // namespace usher::relay
