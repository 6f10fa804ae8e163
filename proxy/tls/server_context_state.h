#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "proxy/tls/server_context.h"

// What ServerContext and its Builder share; nobody else includes it.
namespace usher::tls {

// The SSL_CTX of one distinct set of credentials, one per key type. Kept over a reload that changes
// neither them nor the settings; knows nothing of its generation.
struct ServerContext::Host {
  SslCtxPtr context;
  std::vector<CredentialPtr> credentials;
};

struct ServerContext::Name {
  std::shared_ptr<const Host> host;
  Domain domain{};
};

struct ServerContext::State {
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  using Names = std::unordered_map<std::string, Name, Hash, std::equal_to<>>;

  const Name& find(std::string_view sni) const;

  std::shared_ptr<const ListenerTls> settings;
  Names names;
  Names wildcards;  // "*.example.com" as ".example.com"
  Name default_name;
  std::optional<SessionIdContext> session_context;  // sid_ctx in place of the domains
  std::vector<std::shared_ptr<const Host>> hosts;
};

}  // namespace usher::tls
