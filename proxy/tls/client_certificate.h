#pragma once

#include <string>

#include "proxy/tls/tls_session.h"

namespace usher::tls {

// A client's certificate as backends are told of it. Empty subject and fingerprint: there is none.
struct ClientCertificate {
  std::string subject;      // RFC 2253, bytes beyond ASCII escaped
  std::string fingerprint;  // SHA-256 of the DER, lower-case hex
  std::string verify;       // "SUCCESS", "NONE" or "FAILED:" and OpenSSL's words
};
ClientCertificate client_certificate_of(const TlsSession& session);

}  // namespace usher::tls
