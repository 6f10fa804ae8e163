#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "proxy/base/bytes.h"
#include "proxy/base/openssl_ptr.h"

namespace usher::tls {

// What the hello callback needs of a ClientHello; OpenSSL has framed it already.
struct HelloFacts {
  std::string sni;                   // lower case; "" none (RFC 6066 §3)
  bool sni_malformed = false;        // decode_error
  bool offers_tls13 = false;         // supported_versions has 0x0304
  bool offers_psk = false;           // pre_shared_key (TLS 1.3 identity)
  ByteView first_identity;           // its first, as long as the hello; empty if malformed
  bool offers_ticket = false;        // a non-empty session_ticket (RFC 5077 §3.2)
  ByteView session_id;               // 0..32 bytes, as long as the hello; TLS 1.3: compatibility
  unsigned max_fragment_length = 0;  // bytes asked for (RFC 6066 §4): 512 1024 2048 4096; 0 none
};

HelloFacts read_hello(SSL* ssl);

// The host_name of a server_name extension's bytes, lower-cased into `host`. Strict: exactly one
// name of 1 to 255 bytes without NUL (RFC 6066 §3). Pure.
enum class SniResult { kPresent, kMalformed };
SniResult parse_sni_extension(ByteView extension, std::string& host);

}  // namespace usher::tls
