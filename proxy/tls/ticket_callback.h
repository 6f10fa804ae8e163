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
  const EVP_CIPHER* cipher_of(const keyring::TicketKey& key) const {
    return key.size == keyring::KeySize::kAes256 ? aes_256_cbc_.get() : aes_128_cbc_.get();
  }

 private:
  TicketKeys(const Snapshot<keyring::KeyRing>& rings, CipherPtr aes_256_cbc, CipherPtr aes_128_cbc)
      : ring_(rings), aes_256_cbc_(std::move(aes_256_cbc)), aes_128_cbc_(std::move(aes_128_cbc)) {}
  Snapshot<keyring::KeyRing>::Reader ring_;
  CipherPtr aes_256_cbc_;
  CipherPtr aes_128_cbc_;  // 48-byte keys of others
};

// Installs the three ticket callbacks (key, generate, decrypt) with the return values that DESIGN
// §5 found by trial. They find everything through SessionEnv::of(ssl). RFC 5077 §4, RFC 8446
// §4.6.1.
void install_ticket_callbacks(SSL_CTX* context);

}  // namespace usher::tls
