#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "proxy/base/openssl_ptr.h"
#include "proxy/base/result.h"

namespace usher::tls {

// What TLS to a backend's servers is made from; files are read once per generation, by main.
// Immutable.
struct BackendTlsSettings {
  std::string ca_pem;  // trust anchors; "": the system's default paths, read when they are needed
  bool verify = true;
  std::vector<std::string> names;  // per server, for SNI and verification: a name or an IP address
};

// The certificates of a PEM file as text, for BackendTlsSettings. A server's own certificate or an
// intermediate one will do as an anchor. Errors name the file.
Result<std::string> load_backend_ca(const std::string& path);

// The client side's SSL_CTX of one backend, and per server the session that resumes next. TLS 1.2
// at least, ALPN "http/1.1". Thread: one: a worker's, or main for health checks. Owner: who opens
// connections; outlives their sessions.
class BackendTls {
 public:
  // `library` null: the global library context.
  static Result<std::shared_ptr<BackendTls>> create(
      OSSL_LIB_CTX* library, std::shared_ptr<const BackendTlsSettings> settings);

  // A client SSL with SNI, the name to verify and the session to offer; null when out of memory.
  // What calls SSL_set_app_data() on it: BackendSession, which on_new_session finds there.
  SslPtr make_ssl(std::size_t server);
  void keep(std::size_t server, SslSessionPtr session) { sessions_[server] = std::move(session); }
  void forget(std::size_t server) { sessions_[server].reset(); }

 private:
  BackendTls(std::shared_ptr<const BackendTlsSettings> settings, SslCtxPtr context);

  std::shared_ptr<const BackendTlsSettings> settings_;
  SslCtxPtr context_;
  std::vector<SslSessionPtr> sessions_;  // per server; null: none
};

}  // namespace usher::tls
