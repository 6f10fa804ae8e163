#include "proxy/tls/failure.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

namespace usher::tls {

namespace {

TlsFailure failure_of(int reason, bool hello_seen) {
  switch (reason) {
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
      return TlsFailure::kNotTls;
    case SSL_R_WRONG_VERSION_NUMBER:  // of a record header; the protocol's version has other
                                      // reasons
      return hello_seen ? TlsFailure::kMalformed : TlsFailure::kNotTls;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_UNSUPPORTED_SSL_VERSION:
    case SSL_R_UNKNOWN_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_VERSION_TOO_HIGH:
    case SSL_R_INAPPROPRIATE_FALLBACK:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
      return TlsFailure::kVersion;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SHARED_GROUPS:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_GROUPS:
      return TlsFailure::kNoSharedCipher;
    case SSL_R_NO_APPLICATION_PROTOCOL:
      return TlsFailure::kAlpn;
    case SSL_R_EXCESSIVE_MESSAGE_SIZE:
      return hello_seen ? TlsFailure::kMalformed : TlsFailure::kHelloTooLarge;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return TlsFailure::kClientCertMissing;
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
    case SSL_R_UNKNOWN_CERTIFICATE_TYPE:
      return TlsFailure::kClientCertInvalid;
    case ERR_R_MALLOC_FAILURE:
    case ERR_R_INTERNAL_ERROR:
      return TlsFailure::kInternal;
    default:
      // Reasons from SSL_AD_REASON_OFFSET up are alerts that the client sent.
      return reason >= SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256
                 ? TlsFailure::kAlertReceived
                 : TlsFailure::kMalformed;
  }
}

}  // namespace

void clear_error_queue() {
  if (ERR_peek_error() != 0) {
    ERR_clear_error();
  }
}

FailureCause drain_failure(bool hello_seen, bool tls_record) {
  FailureCause cause;
  // The TLS layer's own reason says what happened to the connection; what other libraries put
  // before it (a decoder, a cipher) only says how.
  while (const unsigned long code = ERR_get_error()) {
    if (cause.code == 0) {
      cause.code = code;
    }
    if (ERR_GET_LIB(code) == ERR_LIB_SSL) {
      cause.code = code;
      cause.failure = failure_of(ERR_GET_REASON(code), hello_seen);
      break;
    }
  }
  ERR_clear_error();
  if (!hello_seen && !tls_record && cause.failure != TlsFailure::kInternal) {
    cause.failure = TlsFailure::kNotTls;
  }
  return cause;
}

std::string reason_text(unsigned long code) {
  const char* text = code == 0 ? nullptr : ERR_reason_error_string(code);
  return text == nullptr ? std::string() : text;
}

}  // namespace usher::tls
