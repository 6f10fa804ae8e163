#pragma once

#include <memory>

#include "proxy/base/openssl_ptr.h"
#include "proxy/base/result.h"
#include "proxy/base/snapshot.h"
#include "proxy/keyring/key_ring.h"
#include "proxy/tls/session_env.h"

namespace usher::tls {

// A worker's view of the ring and the algorithms that seal and open tickets, fetched once from its
// own library context (a fetch takes locks). Per ticket: no lock of ours, no allocation of ours.
// Thread: the worker's. Owner: the worker; outlives its sessions.
class TicketKeys {
 public:
  static Result<std::unique_ptr<TicketKeys>> create(OSSL_LIB_CTX* library,
                                                    const Snapshot<keyring::KeyRing>& rings);

  const keyring::KeyRing& ring() { return ring_.current(); }
  const EVP_CIPHER* aes_256_cbc() const { return cipher_.get(); }

 private:
  TicketKeys(const Snapshot<keyring::KeyRing>& rings, CipherPtr cipher)
      : ring_(rings), cipher_(std::move(cipher)) {}
  Snapshot<keyring::KeyRing>::Reader ring_;
  CipherPtr cipher_;
};

// Installs the three ticket callbacks (key, generate, decrypt) with the return values that DESIGN
// §5 found by trial. They find everything through SessionEnv::of(ssl). RFC 5077 §4, RFC 8446
// §4.6.1.
void install_ticket_callbacks(SSL_CTX* context);

}  // namespace usher::tls
