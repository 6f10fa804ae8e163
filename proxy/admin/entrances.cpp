#include "proxy/admin/entrances.h"

#include <utility>

#include "proxy/admin/peer_access.h"
#include "proxy/base/log.h"
#include "proxy/uv/listener.h"

namespace usher::admin {

Result<void> Entrances::open(const std::string& address, const std::string& socket, uid_t owner) {
  if (!address.empty()) {
    const auto wanted = SocketAddress::parse(address);
    CHECK(wanted);  // the parser has checked it
    auto bound = uv::listen_tcp(*wanted, kBacklog, uv::Port::kExclusive);
    if (!bound) {
      return Unexpected(std::move(bound).error());
    }
    tcp_socket_ = *std::move(bound);
    address_ = uv::bound_address(tcp_socket_.value());
  }
  if (!socket.empty()) {
    auto bound = ControlSocket::listen(socket, owner);
    if (!bound) {
      return Unexpected(std::move(bound).error());
    }
    control_socket_ = std::make_unique<ControlSocket>(*std::move(bound));
  }
  return {};
}

void Entrances::serve(const HttpServer::LaterHandler& handler) {
  if (tcp_socket_) {
    log::info("admin listening", {{"address", address_.to_string()}});
    servers_.push_back(std::make_unique<HttpServer>(
        loop_, std::move(tcp_socket_), [](int) { return Access::kPages; }, handler));
  }
  if (control_socket_) {
    servers_.push_back(std::make_unique<HttpServer>(
        loop_, control_socket_->take_fd(), [this](int fd) { return peer_access(fd, readers_); },
        handler));
  }
}

void Entrances::close() {
  servers_.clear();
  control_socket_.reset();
}

}  // namespace usher::admin
