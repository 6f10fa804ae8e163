#pragma once

#include <memory>
#include <string>

#include "proxy/base/byte_queue.h"
#include "proxy/keyring/key_ring.h"
#include "proxy/tls/server_context.h"
#include "proxy/tls/ticket_callback.h"

namespace usher::bench {

// One kind of handshake to measure.
struct Scenario {
  const char* name;
  int version;
  bool client_certificate;
  bool resume;  // by ticket
};

// What all workers of a process share: files once read, and the ring.
struct Site {
  static Site make();

  tls::CredentialPtr credential;
  std::shared_ptr<const tls::ClientTrust> trust;
  std::string client_certificate_pem;
  std::string client_key_pem;
  Snapshot<keyring::KeyRing> rings;
};

// A worker's TLS as the proxy has it (own library context, contexts, ticket keys), and a client
// beside it in the same library context, so that two threads share no more than two workers would.
// Thread: the one that made it, under LibraryContext::ThreadDefault.
class MemoryHandshake {
 public:
  MemoryHandshake(const tls::LibraryContext& library, const Site& site, const Scenario& scenario);

  // One whole handshake, both sides; it must succeed and resume exactly if the scenario says so.
  void run();

 private:
  SslPtr new_client();
  void complete(SSL* client);
  void obtain_ticket();

  Scenario scenario_;
  std::shared_ptr<const tls::ServerContext> context_;
  std::unique_ptr<tls::TicketKeys> keys_;
  SslCtxPtr client_context_;
  SslSessionPtr ticket_;
  ByteQueue to_server_;
  ByteQueue to_client_;
};

}  // namespace usher::bench
