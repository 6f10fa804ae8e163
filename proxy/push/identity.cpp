#include "proxy/push/identity.h"

#include <sys/socket.h>

#include "proxy/base/peer_credentials.h"
#include "proxy/base/socket_address.h"

namespace usher::push {
namespace {

std::string peer_address(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  return ::getpeername(fd, address, &size) == 0 ? SocketAddress::from(*address).to_string()
                                                : "unknown";
}

}  // namespace

std::optional<PeerIdentity> identity_of(int fd, SSL* ssl) {
  PeerIdentity peer;
  if (ssl != nullptr) {
    peer.tls = true;
    peer.dns_names = dns_names(ssl);
    const std::string name = peer.dns_names.empty() ? std::string() : peer.dns_names.front() + " ";
    peer.text = name + peer_address(fd);
    return peer;
  }
  auto credentials = peer_credentials(fd);
  if (!credentials) {
    return std::nullopt;
  }
  peer.uid = credentials->uid;
  peer.pid = credentials->pid;
  peer.groups = std::move(credentials->groups);
  peer.text = "uid=" + std::to_string(peer.uid) + " pid=" + std::to_string(peer.pid);
  return peer;
}

}  // namespace usher::push
