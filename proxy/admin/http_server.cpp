#include "proxy/admin/http_server.h"

#include <algorithm>
#include <list>
#include <utility>

#include "proxy/admin/http_connection.h"
#include "proxy/uv/listener.h"

namespace usher::admin {

struct HttpServer::State {
  State(uv::Loop& own_loop, UniqueFd socket, Admit own_admit, LaterHandler own_handler,
        Limits own_limits);

  void accept(UniqueFd socket);
  bool make_room(Access newcomer);
  void retire(HttpConnection& ended);
  void close();

  uv::Loop& loop;
  const Admit admit;
  const LaterHandler handler;
  const Limits limits;
  std::list<std::unique_ptr<HttpConnection>> connections;
  uv::Listener listener;
};

HttpServer::State::State(uv::Loop& own_loop, UniqueFd socket, Admit own_admit,
                         LaterHandler own_handler, Limits own_limits)
    : loop(own_loop),
      admit(std::move(own_admit)),
      handler(std::move(own_handler)),
      limits(own_limits),
      listener(
          own_loop, std::move(socket),
          [this](UniqueFd accepted, const SocketAddress&) { accept(std::move(accepted)); },
          [](bool) {}) {}  // out of descriptors: the listener tries again by itself

void HttpServer::State::accept(UniqueFd socket) {
  const Access access = admit(socket.value());
  if (connections.size() >= limits.connections && !make_room(access)) {
    return;
  }
  auto connection = std::make_unique<HttpConnection>(
      loop, access, handler, limits, [this](HttpConnection& ended) { retire(ended); });
  if (connection->open(std::move(socket))) {
    connections.push_back(std::move(connection));
  }
}

bool HttpServer::State::make_room(Access newcomer) {
  HttpConnection* victim = nullptr;
  for (const auto& connection : connections) {
    if (!connection->may_yield() || connection->access() > newcomer) {
      continue;
    }
    if (victim == nullptr || std::pair(connection->access(), connection->active_at()) <
                                 std::pair(victim->access(), victim->active_at())) {
      victim = connection.get();
    }
  }
  if (victim != nullptr) {
    victim->close();
  }
  return victim != nullptr;
}

// Freed at the next turn: the connection may be on the call stack.
void HttpServer::State::retire(HttpConnection& ended) {
  const auto found =
      std::find_if(connections.begin(), connections.end(),
                   [&](const auto& connection) { return connection.get() == &ended; });
  CHECK(found != connections.end());
  loop.defer([dying = std::shared_ptr<HttpConnection>(std::move(*found))] {});
  connections.erase(found);
}

void HttpServer::State::close() {
  listener.close();
  while (!connections.empty()) {
    connections.front()->close();
  }
}

HttpServer::HttpServer(uv::Loop& loop, UniqueFd listening_socket, Admit admit, LaterHandler handler,
                       Limits limits)
    : state_(std::make_unique<State>(loop, std::move(listening_socket), std::move(admit),
                                     std::move(handler), limits)) {}

HttpServer::HttpServer(uv::Loop& loop, UniqueFd listening_socket, Admit admit, Handler handler,
                       Limits limits)
    : HttpServer(
          loop, std::move(listening_socket), std::move(admit),
          [handler = std::move(handler)](Request& request, const Answer& answer) {
            answer(handler(request));
          },
          limits) {}

HttpServer::~HttpServer() {
  close();
}

void HttpServer::close() {
  state_->close();
}

}  // namespace usher::admin
