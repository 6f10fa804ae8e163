#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "proxy/base/openssl_ptr.h"
#include "proxy/base/result.h"
#include "proxy/tls/credential.h"
#include "proxy/tls/domain.h"
#include "proxy/tls/library_context.h"
#include "proxy/tls/session_context.h"
#include "proxy/tls/session_env.h"

namespace usher::tls {

// Everything a listener's contexts are made from; made once per generation by the main thread,
// shared by all workers. Immutable.
struct ListenerTls {
  unsigned min_version = 0x0303;
  unsigned max_version = 0x0304;
  std::string ciphers;  // "" each: Usher's own order
  std::string ciphersuites;
  std::string groups;
  std::string sigalgs;
  std::vector<std::string> alpn;  // in the server's order; empty: the extension is ignored
  ClientAuth client_auth = ClientAuth::kOff;
  unsigned verify_depth = 4;
  std::shared_ptr<const ClientTrust> trust;  // null when client_auth is off
  std::vector<CredentialPtr> credentials;    // the first is the default certificate
  TicketPolicy tickets;
  std::optional<SessionContext> session_context;  // none: sid_ctx is the domain
};

// The SSL_CTXs of one listener on one worker. The listener's own context holds the default
// certificate and owns what SSL_set_SSL_CTX does not move (verify mode, versions, options,
// callbacks); host contexts are made by the same function and differ in certificates only; apply()
// switches (DESIGN §4). Thread: the worker's. Owner: shared by the worker's current generation and
// every session made from it.
class ServerContext {
 public:
  // Makes the contexts one certificate at a time, so that a worker can build between its turns.
  class Builder;

  ~ServerContext();
  ServerContext(const ServerContext&) = delete;

  SSL_CTX* listener_context() const;
  const ListenerTls& settings() const;
  const TicketPolicy& tickets() const;
  // Chooses host context and domain by name and sets everything that switching leaves behind.
  // Called by the hello callback once per handshake.
  void apply(SSL* ssl, std::string_view sni) const;

  // For ending a generation of many certificates over several turns: frees at most `most` host
  // contexts (≈ 14 µs each) of one that nobody else holds any more, and resets the pointer with the
  // last of them.
  static void dismantle(std::shared_ptr<const ServerContext>& last, std::size_t most);

 private:
  struct Host;  // one set of certificates: SSL_CTX
  struct Name;  // pattern → host and domain
  struct State;
  explicit ServerContext(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
  friend class Builder;
};

class ServerContext::Builder {
 public:
  // `previous` may be null; its contexts of unchanged credentials are kept when nothing else
  // changed.
  Builder(const LibraryContext& library, std::shared_ptr<const ListenerTls> settings,
          const std::shared_ptr<const ServerContext>& previous);
  ~Builder();

  // One certificate's work (≈ 0.6 ms). True when done, false when there is more; an error names the
  // setting.
  Result<bool> step();
  std::shared_ptr<const ServerContext> finish();  // once, after step() was true

 private:
  struct Work;
  std::unique_ptr<Work> work_;
};

// Builds everything at once: start-up checks and tests.
Result<std::shared_ptr<const ServerContext>> build_server_context(
    const LibraryContext& library, std::shared_ptr<const ListenerTls> settings);

}  // namespace usher::tls
