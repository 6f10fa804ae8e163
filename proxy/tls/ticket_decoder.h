#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "proxy/base/bytes.h"
#include "proxy/base/clock.h"
#include "proxy/base/result.h"
#include "proxy/keyring/key_ring.h"

namespace usher::tls {

// What a session ticket (RFC 5077 §4 layout: key_name 16 | IV 16 | AES-CBC | HMAC-SHA-256 32)
// holds, for `usherctl ticket decode`. Never a master secret or resumption secret. Texts are as the
// client and its certificate had them: escape them before they are shown.
struct DecodedSession {
  std::string protocol;  // "TLSv1.3"
  std::string cipher;    // OpenSSL's name
  UnixSeconds time{};    // SSL_SESSION_get_time: TLS 1.2, the first handshake's
  std::chrono::seconds timeout{};
  std::string sni;                           // "" none
  std::string alpn;                          // "" none
  std::optional<UnixSeconds> lineage_start;  // none: the ticket is not Usher's
  std::vector<std::byte> domain;             // sid_ctx
  // The resumption domain where sid_ctx is another program's (session_context.h); else empty.
  std::vector<std::byte> own_domain;
  std::string client_subject;  // RFC 2253 form of the client certificate; "" none
};

enum class TicketVerdict : std::uint8_t {
  kOpened,
  kTooShort,    // no room for name, IV, one block and MAC, or no whole blocks: cut
  kUnknownKey,  // none of the keys has this name
  kBadMac,      // a key has the name, the MAC does not verify: altered, cut, or another key of that
                // name
  kNoSession,   // the MAC verifies, the content is no OpenSSL session
};

struct DecodedTicket {
  TicketVerdict verdict = TicketVerdict::kTooShort;
  keyring::KeyName key_name{};
  // From the ring's name_key: none for foreign names and rings without one.
  std::optional<std::uint32_t> epoch;
  keyring::UnknownName unknown = keyring::UnknownName::kForeign;  // meaningful with kUnknownKey
  std::string ticket_cipher;                                      // "AES-256-CBC"
  std::optional<DecodedSession> session;                          // with kOpened
};

// Ages do not matter here: an expired key still opens. Thread: any, with its own OSSL_LIB_CTX
// default.
DecodedTicket decode_ticket(ByteView ticket, const keyring::KeyRing& ring);

}  // namespace usher::tls
