#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "proxy/http/forwarding.h"
#include "proxy/http/site.h"
#include "proxy/relay/application.h"

namespace usher::http {

// What backends are told about the client, the same for all requests of a connection: worked out at
// the first one, and small, as idle connections keep it. Thread: the worker's. Owner: the
// application.
class ClientIdentity {
 public:
  ClientIdentity(const relay::ClientPort& port, const Site& site);
  ~ClientIdentity();

  // All but the request id; views live as long as this and the connection.
  ClientFacts facts(const relay::ClientPort& port, const Site& site) const;
  std::uint64_t hash() const;  // of the address, for hash:client
  // What a client that names no host is served as: the name it gave in the TLS handshake, else the
  // address it connected to; many servers refuse an empty Host. Only for the few, it allocates.
  static std::string host_of(const relay::ClientPort& port);

 private:
  struct TlsTexts;
  std::string address_;
  std::unique_ptr<const TlsTexts> tls_texts_;  // only with tls_headers
  std::uint16_t port_;
  bool trusted_;
};

}  // namespace usher::http
