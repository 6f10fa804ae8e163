#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "proxy/admin/http_server.h"
#include "proxy/base/byte_queue.h"
#include "proxy/uv/stream.h"
#include "proxy/uv/timer.h"

namespace usher::admin {

// One operator's connection: reads a request, has it answered, writes the response, and only then
// looks at what came meanwhile, so a slow reader holds one response and never more. Thread: the
// loop's. Owner: HttpServer, which frees it at the next turn after on_end.
class HttpConnection {
 public:
  // `handler` and `limits` outlive the connection; on_end is called once, by close() or from
  // within.
  HttpConnection(uv::Loop& loop, Access access, const HttpServer::Handler& handler,
                 const HttpServer::Limits& limits, std::function<void(HttpConnection&)> on_end);
  HttpConnection(const HttpConnection&) = delete;

  bool open(UniqueFd socket);  // false: the loop does not take the socket
  void close();                // idempotent

  Access access() const { return access_; }
  // Whether it may be closed for a newcomer: no response is on its way.
  bool may_yield() const { return state_ == State::kReading || state_ == State::kLingering; }
  uv::LoopTime active_at() const { return active_at_; }

 private:
  enum class State : std::uint8_t { kReading, kWriting, kLingering, kClosed };
  enum class After : std::uint8_t { kBody, kNextRequest, kLinger };

  void on_ready(uv::Ready ready);
  void on_timeout();
  void receive();
  void process();
  void answer();
  void write(std::string bytes, After after);
  void send();
  void written();
  void await_next();
  void linger();
  void discard();

  uv::Loop& loop_;
  const Access access_;
  const HttpServer::Handler& handler_;
  const HttpServer::Limits& limits_;
  std::function<void(HttpConnection&)> on_end_;
  State state_ = State::kReading;
  After after_ = After::kNextRequest;
  uv::Stream stream_;
  uv::Timer timer_;
  uv::LoopTime active_at_;
  RequestReader reader_;
  ByteQueue input_;
  std::string output_;
  std::size_t sent_ = 0;
  std::size_t discarded_ = 0;
};

}  // namespace usher::admin
