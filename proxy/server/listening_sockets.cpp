#include "proxy/server/listening_sockets.h"

#include <utility>

#include "proxy/uv/listener.h"

namespace usher::server {
namespace {

// Clients waiting to be accepted, per worker; the kernel cuts it to net.core.somaxconn.
constexpr int kBacklog = 4096;

Result<BoundListener> bind_one(const config::Listener& listener, unsigned workers) {
  BoundListener bound;
  bound.key = socket_key(listener);
  bound.address = listener.address;
  for (unsigned worker = 0; worker < workers; ++worker) {
    auto socket = uv::listen_tcp(bound.address, kBacklog);
    if (!socket) {
      return Unexpected(std::move(socket).error());
    }
    bound.address =
        uv::bound_address(socket->value());  // the others join the port the first one got
    bound.per_worker.push_back(*std::move(socket));
  }
  return bound;
}

}  // namespace

std::string socket_key(const config::Listener& listener) {
  const std::string address = listener.address.to_string();
  return listener.address.port() == 0 ? address + " " + listener.name : address;
}

Result<std::vector<BoundListener>, config::Problems> bind_listeners(
    const std::vector<config::Listener>& listeners,
    const std::map<std::string, SocketAddress>& known, unsigned workers) {
  std::vector<BoundListener> result;
  config::Problems problems;
  for (const config::Listener& listener : listeners) {
    if (known.contains(socket_key(listener))) {
      continue;
    }
    auto bound = bind_one(listener, workers);
    if (bound) {
      result.push_back(*std::move(bound));
    } else {
      problems.messages.push_back(listener.place.to_string() + ": " + bound.error().message);
    }
  }
  if (!problems.messages.empty()) {
    return Unexpected(std::move(problems));
  }
  return result;
}

}  // namespace usher::server
