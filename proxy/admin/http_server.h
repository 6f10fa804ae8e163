#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>

#include "proxy/admin/http_message.h"
#include "proxy/base/unique_fd.h"
#include "proxy/uv/loop.h"

namespace usher::admin {

// A small HTTP/1.1 server for operators: one request at a time per connection, keep-alive,
// everything bounded (Limits, and those of http_message.h). At the connection limit the longest
// idle peer of no higher access makes room, so strangers on the control socket cannot lock root
// out. Not prometheus-cpp's Exposer, which cannot serve other pages. Thread: main's loop. Owner:
// the server; the handler outlives it and may close() it, not destroy it.
class HttpServer {
 public:
  // Answers at once. It may take the request's body.
  using Handler = std::function<Response(Request&)>;
  // Answers by calling `answer` once, now or later within Limits::request (then the client is told
  // 503 instead); on the loop's thread. A call after the connection or the server has gone is a
  // no-op. The request is valid until the handler returns.
  using Answer = std::function<void(Response)>;
  using LaterHandler = std::function<void(Request&, Answer answer)>;
  // Decides on an accepted socket (SO_PEERCRED on a Unix socket).
  using Admit = std::function<Access(int fd)>;

  struct Limits {
    std::size_t connections = 64;
    std::chrono::milliseconds request{10'000};  // from its first byte to the response's last
    std::chrono::milliseconds idle{30'000};     // between requests
  };

  HttpServer(uv::Loop& loop, UniqueFd listening_socket, Admit admit, LaterHandler handler,
             Limits limits);
  HttpServer(uv::Loop& loop, UniqueFd listening_socket, Admit admit, Handler handler,
             Limits limits);
  template <class AnyHandler>
  HttpServer(uv::Loop& loop, UniqueFd listening_socket, Admit admit, AnyHandler handler)
      : HttpServer(loop, std::move(listening_socket), std::move(admit), std::move(handler),
                   Limits{}) {}
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;

  void close();  // stops accepting and ends all connections; idempotent

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace usher::admin
