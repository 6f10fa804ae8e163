#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "proxy/admin/http_server.h"
#include "proxy/uv/stream.h"
#include "proxy/uv/timer.h"

namespace usher::admin {

// One operator's connection: reads a request, has it answered, writes the response, and only then
// looks at what came meanwhile, so a slow reader holds one response and never more. Requests and
// secret responses lie in wiped memory only. Thread: the
// loop's. Owner: HttpServer, which frees it at the next turn after on_end.
class HttpConnection {
 public:
  // `handler` and `limits` outlive the connection; on_end is called once, by close() or from
  // within.
  HttpConnection(uv::Loop& loop, Access access, const HttpServer::LaterHandler& handler,
                 const HttpServer::Limits& limits, std::function<void(HttpConnection&)> on_end);
  HttpConnection(const HttpConnection&) = delete;

  bool open(UniqueFd socket);  // false: the loop does not take the socket
  void close();                // idempotent

  Access access() const { return access_; }
  // Whether it may be closed for a newcomer: no response is on its way.
  bool may_yield() const { return state_ == State::kReading || state_ == State::kLingering; }
  uv::LoopTime active_at() const { return active_at_; }

 private:
  enum class State : std::uint8_t { kReading, kAnswering, kWriting, kLingering, kClosed };
  enum class After : std::uint8_t { kBody, kNextRequest, kLinger };

  void on_ready(uv::Ready ready);
  void on_timeout();
  void receive();
  void process();
  void ask();
  void answer(Response response);
  void forget_answer();
  void refuse_late(int status, std::string_view why);
  void refuse(const Response& refusal);
  void write(std::string bytes, SecretBuffer secret, After after);
  ByteView unsent() const;
  void send();
  void written();
  void await_next();
  void linger();
  void discard();

  uv::Loop& loop_;
  const Access access_;
  const HttpServer::LaterHandler& handler_;
  const HttpServer::Limits& limits_;
  std::function<void(HttpConnection&)> on_end_;
  State state_ = State::kReading;
  After after_ = After::kNextRequest;
  uv::Stream stream_;
  uv::Timer timer_;
  uv::LoopTime active_at_;
  RequestReader reader_;
  SecretQueue input_;
  std::shared_ptr<HttpConnection*> asked_;  // null inside: nobody waits for that answer any more
  std::string output_;
  SecretBuffer secret_output_;  // follows output_
  std::size_t sent_ = 0;
  std::size_t discarded_ = 0;
};

}  // namespace usher::admin
