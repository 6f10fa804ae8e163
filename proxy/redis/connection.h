#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "proxy/base/result.h"
#include "proxy/base/socket_address.h"
#include "proxy/redis/pipeline.h"
#include "proxy/redis/reply.h"
#include "proxy/redis/url.h"
#include "proxy/uv/loop.h"
#include "proxy/uv/resolver.h"
#include "proxy/uv/stream.h"
#include "proxy/uv/timer.h"

namespace usher::redis {

// One connection to one Redis server (RESP2; TCP or Unix socket), that comes back by itself when it
// is lost. Nothing of it blocks the loop: names are looked up by uv::Resolver, every wait has a
// limit, what waits to be sent or parsed is bounded.
// Thread: the loop's. Owner: a store or a worker; callbacks may send commands, reconnect() or
// close(), not destroy it.
class Connection {
 public:
  struct Options {
    // For looking up, connecting and signing in together, per address.
    std::chrono::milliseconds connect_timeout{1000};
    // Owing an answer for this long, the server counts as gone.
    std::chrono::milliseconds silence_max{1000};
    // Between attempts: doubles from min to max, then the second half of it at random, so that
    // clients do not come back all at once.
    std::chrono::milliseconds backoff_min{50};
    std::chrono::milliseconds backoff_max{2000};
  };
  // `ready`: signed in, commands are taken. Not ready: `why`, for logs; told for every failed
  // attempt.
  using OnState = std::function<void(bool ready, const std::string& why)>;

  Connection(uv::Loop& loop, Server server, Options options, OnState on_state);
  ~Connection() { close(); }
  Connection(const Connection&) = delete;

  void open();   // begins to connect; once
  void close();  // for good; idempotent. No callback follows, commands that wait end without one
  // This server will not do (it became a replica): the connection is closed, an attempt follows.
  void reconnect(const std::string& why);

  // Sends a command, in order; `on_reply` is called once, never inside this call. `timeout` counts
  // from now. One that is not sent because the connection is lost is not sent again.
  void command(Arguments arguments, Expected expected, std::chrono::milliseconds timeout,
               OnReply on_reply);
  void command(std::initializer_list<std::string_view> arguments, Expected expected,
               std::chrono::milliseconds timeout, OnReply on_reply) {
    command(Arguments(arguments.begin(), arguments.size()), expected, timeout, std::move(on_reply));
  }

  bool ready() const { return phase_ == Phase::kReady; }
  // Commands that the server still owes an answer, and bytes that it has not taken yet.
  std::size_t waiting() const { return pipeline_ ? pipeline_->waiting() : 0; }
  std::size_t output_bytes() const { return pipeline_ ? pipeline_->output().size() : 0; }
  const Server& server() const { return server_; }

 private:
  // What is awaited.
  enum class Phase : std::uint8_t {
    kIdle,        // open()
    kResting,     // the next attempt's time
    kResolving,   // addresses
    kConnecting,  // the socket
    kSigningIn,   // answers to AUTH, SELECT, PING
    kReady,       // commands
    kClosed,      // nothing ever again
  };

  void begin_attempt();
  void on_resolved(Result<std::vector<SocketAddress>> addresses);
  void try_next_address();
  void connect_unix();
  void on_connected();
  void sign_in();
  void on_signed_in(Outcome outcome, const Reply& reply, bool last);
  void lost(const std::string& why);

  void on_stream(uv::Ready ready);
  void flush();
  bool read();  // false: there is nothing more to read now, or no connection
  void deliver();
  bool deliver_one(Pipeline::Ended ended);  // false: the callback ended this connection
  void on_attempt_timer();
  void on_deadline();
  void catch_up();
  void arm_deadline(uv::LoopTime next);
  void on_rejected();
  void update_watch();

  uv::Loop& loop_;
  const Server server_;
  const Options options_;
  const OnState on_state_;
  Phase phase_ = Phase::kIdle;
  uv::Resolver resolver_;
  std::vector<SocketAddress> addresses_;  // still to try, the next one last
  std::string last_failure_;
  uv::Stream stream_;
  std::optional<Pipeline> pipeline_;  // a new one for each connection
  std::uint64_t incarnation_ = 0;     // of the connection: tells whether a callback ended it
  uv::Timer attempt_timer_;           // connect_timeout or backoff
  uv::Timer deadline_timer_;
  std::optional<uv::LoopTime> deadline_armed_;
  std::deque<Pipeline::Ended> rejected_;  // commands that were not sent
  uv::Timer rejected_timer_;
  unsigned failures_ = 0;  // since a connection lasted
  uv::LoopTime ready_since_{};
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace usher::redis
