#pragma once

#include "proxy/base/openssl_ptr.h"
#include "proxy/base/result.h"
#include "proxy/tls/server_context.h"

namespace usher::tls {

// Makes every SSL_CTX of a listener, the listener's own and the hosts', from the same settings:
// only certificates are added afterwards (DESIGN §4). All share one store of client CAs. Thread:
// the worker's. Owner: a ServerContext::Builder.
class ContextMaker {
 public:
  // An error names the setting that OpenSSL refuses and its value.
  static Result<ContextMaker> create(OSSL_LIB_CTX* library, const ListenerTls& settings);

  Result<SslCtxPtr> make() const;
  // Chain and key of one more type; an error names the file.
  Result<void> add_credential(SSL_CTX* context, const Credential& credential) const;

 private:
  ContextMaker(OSSL_LIB_CTX* library, const ListenerTls& settings)
      : library_(library), settings_(settings) {}
  Result<void> read_trust();

  OSSL_LIB_CTX* library_;
  const ListenerTls& settings_;  // the Builder's
  std::vector<X509Ptr> client_cas_;
  X509StorePtr client_store_;  // null without client authentication
};

// How certificates of clients are asked for; apply() sets it on each connection too.
int verify_mode(ClientAuth auth);

}  // namespace usher::tls
