#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "proxy/admin/control_socket.h"
#include "proxy/admin/http_server.h"
#include "proxy/base/result.h"
#include "proxy/base/socket_address.h"
#include "proxy/uv/loop.h"

namespace usher::admin {

// Where operators come in: a TCP address for everybody's pages, and the control socket, whose peers
// are judged by peer_access. Thread: main's loop. Owner: the server.
class Entrances {
 public:
  explicit Entrances(uv::Loop& loop) : loop_(loop) {}

  // Binds both ("" is none); `owner` as of ControlSocket. Nothing is served yet.
  Result<void> open(const std::string& address, const std::string& socket, uid_t owner);
  void serve(const HttpServer::LaterHandler& handler);  // from now on requests are answered
  void set_readers(std::vector<gid_t> readers) { readers_ = std::move(readers); }
  void close();                                              // idempotent
  const SocketAddress& address() const { return address_; }  // AF_UNSPEC when there is none

 private:
  uv::Loop& loop_;
  std::vector<gid_t> readers_;
  SocketAddress address_;
  UniqueFd tcp_socket_;
  std::unique_ptr<ControlSocket> control_socket_;
  std::vector<std::unique_ptr<HttpServer>> servers_;
};

}  // namespace usher::admin
