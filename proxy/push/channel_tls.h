#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/openssl_ptr.h"
#include "proxy/base/result.h"

namespace usher::push {

// Mutual TLS 1.3 for tls: endpoints (DESIGN §5): our certificate, the CA that the peer's must come
// from (a root of `ca` ends the chain), no resumption, SSL_OP_CLEANSE_PLAINTEXT. A certificate with
// an extendedKeyUsage must allow the role: keyd serverAuth, proxies clientAuth. Immutable once
// made. Thread: main. Owner: whoever
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
  // The DNS SANs of our certificate, lower case: a proxy's node must be one of them.
  const std::vector<std::string>& names() const { return names_; }
  // For the log: expired, no subjectAltName, a CA that is none.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  ChannelTls() = default;

  SslCtxPtr client_;
  SslCtxPtr server_;
  std::vector<std::string> names_;
  std::vector<std::string> warnings_;
};

// The DNS SANs of the peer's verified certificate (never its CN), lower case; a wildcard is no
// machine's name and left out.
std::vector<std::string> dns_names(SSL* ssl);
// A whole-name glob: '*' stands for one or more characters other than '.'; case-insensitive.
bool glob_matches(std::string_view pattern, std::string_view name);

}  // namespace usher::push
