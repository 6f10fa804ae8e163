#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "proxy/base/clock.h"
#include "proxy/base/result.h"
#include "proxy/base/secret.h"

namespace usher::tls {

using Sha256 = std::array<std::byte, 32>;

// A certificate chain with its private key: read and checked once by the main thread, then made
// into objects of every worker's own library context from these bytes. Immutable.
struct Credential {
  std::string chain_path;  // for messages
  std::string key_path;
  std::string chain_pem;  // public
  SecretBuffer key_pem;   // wiped with the last generation that needs it
  Sha256 digest{};  // of chain and key: equal digest, same credential (reload keeps its context)
  std::string key_type;            // "RSA", "ECDSA", "Ed25519": one per type and name
  std::vector<std::string> names;  // configured, else DNS SANs (else CN); lower case; exact or "*."
  UnixSeconds not_before{};
  UnixSeconds not_after{};  // the earliest in the chain sent
};

using CredentialPtr = std::shared_ptr<const Credential>;

// Thread: main. Reads both files (≤ 1 MiB each) and checks them. Unreadable, empty, not PEM, no
// certificate, encrypted key (never a prompt), key of another certificate, unsupported key: each
// has its own message, naming the file and what to do. An expired or not yet valid certificate is
// only a warning.
struct LoadedCredential {
  CredentialPtr credential;
  std::vector<std::string> warnings;
};
Result<LoadedCredential> load_credential(const std::string& chain_path, const std::string& key_path,
                                         const std::vector<std::string>& names, UnixSeconds now);

// The client CAs of a listener and their CRLs, read and checked like credentials.
struct ClientTrust {
  std::string ca_pem;
  std::string crl_pem;             // empty: no revocation check
  std::vector<Sha256> ca_digests;  // sorted, of each CA certificate's DER
  Sha256 crl_digest{};             // of the CRL file; zero without one
};
Result<std::shared_ptr<const ClientTrust>> load_client_trust(const std::string& ca_path,
                                                             const std::string& crl_path,
                                                             std::vector<std::string>& warnings);

}  // namespace usher::tls
