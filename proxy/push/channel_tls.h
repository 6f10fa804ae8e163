#pragma once

#include <memory>
#include <string>
#include <vector>

#include "proxy/base/openssl_ptr.h"
#include "proxy/base/result.h"

namespace usher::push {

// Mutual TLS 1.3 for tls: endpoints (DESIGN §5): our certificate, the CA that the peer's must come
// from, no tickets, SSL_OP_CLEANSE_PLAINTEXT. Immutable once made. Thread: main. Owner: whoever
// makes channels; outlives them (channels share it).
class ChannelTls {
 public:
  struct Files {
    std::string ca;  // PEM paths
    std::string cert;
    std::string key;
  };
  // Reads and checks the files; errors name the file and what to do. Never prompts.
  static Result<std::shared_ptr<const ChannelTls>> load(const Files& files);

  SSL_CTX* client() const { return client_.get(); }
  SSL_CTX* server() const { return server_.get(); }

 private:
  SslCtxPtr client_;
  SslCtxPtr server_;
};

// The DNS SANs of the peer's verified certificate (never its CN), lower case.
std::vector<std::string> dns_names(SSL* ssl);
// A whole-name glob: '*' stands for one or more characters other than '.'; case-insensitive.
bool glob_matches(std::string_view pattern, std::string_view name);

}  // namespace usher::push
