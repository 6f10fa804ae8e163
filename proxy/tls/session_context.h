#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "proxy/base/bytes.h"
#include "proxy/base/openssl_ptr.h"
#include "proxy/base/result.h"
#include "proxy/tls/credential.h"

namespace usher::tls {

// What OpenSSL calls sid_ctx: at most SSL_MAX_SID_CTX_LENGTH bytes in every session, compared
// before it is resumed.
struct SessionIdContext {
  std::array<std::byte, 32> bytes{};
  std::uint8_t size = 0;

  ByteView view() const { return ByteView(bytes).first(size); }
  bool operator==(const SessionIdContext&) const = default;
};

// Another program's session id context in place of the resumption domain, so that its tickets,
// under the same keys, resume here and ours there (listener.session_context, for migration). Our
// own tickets carry the domain besides and still resume in it only. A ticket of others says nothing
// about host, client authentication or CRLs: where client certificates are asked for it is not
// resumed. TLS 1.3 suites are chosen as that program chooses them, unless they are configured
// (ContextMaker).
struct SessionContext {
  enum class Kind : std::uint8_t {
    kNginx,        // nginx 1.22 http: SHA1("HTTP" ‖ certificates ‖ client CA names)
    kNginxStream,  // nginx 1.22 stream: the same after "STREAM"
    kHaproxy,      // HAProxy 2.6: the seven bytes "haproxy"
    kBytes,
  };
  Kind kind = Kind::kBytes;
  SessionIdContext bytes;  // with kBytes; 1 to 32
  bool operator==(const SessionContext&) const = default;
};

// "" (none), "nginx", "nginx-stream", "haproxy", "hex:" and 1 to 32 bytes.
Result<std::optional<SessionContext>> parse_session_context(std::string_view text);

// What `context` is for a listener with these default certificates, in the order of the
// configuration, and client CAs (null: none). nginx has the default server's for all its server
// names; it hashes SHA1 of each leaf's DER, the one configured last first, then SHA1 of each CA's
// subject in file order, doubles left out. An error names the file that `library` cannot read.
Result<SessionIdContext> session_id_context(const SessionContext& context, OSSL_LIB_CTX* library,
                                            const std::vector<CredentialPtr>& credentials,
                                            const ClientTrust* trust);

}  // namespace usher::tls
