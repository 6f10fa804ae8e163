#include "proxy/tls/client_certificate.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>

#include "proxy/base/bytes.h"
#include "proxy/tls/pem.h"

namespace usher::tls {
namespace {

std::string fingerprint_of(const X509* certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest.data(), &size) != 1) {
    return {};
  }
  return hex(std::as_bytes(std::span(digest)).first(size));
}

}  // namespace

ClientCertificate client_certificate_of(const TlsSession& session) {
  ClientCertificate facts;
  const X509* certificate = SSL_get0_peer_certificate(session.raw());
  if (certificate == nullptr) {
    facts.verify = "NONE";
    return facts;
  }
  facts.subject = subject_of(certificate);
  facts.fingerprint = fingerprint_of(certificate);
  const long result = session.verify_result();
  facts.verify = result == X509_V_OK
                     ? "SUCCESS"
                     : std::string("FAILED:") + X509_verify_cert_error_string(result);
  ERR_clear_error();
  return facts;
}

}  // namespace usher::tls
