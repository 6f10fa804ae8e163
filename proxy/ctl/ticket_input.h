#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/base/bytes.h"
#include "proxy/base/result.h"

namespace usher::ctl {

// Of the ticket<0..2^16-1> of RFC 5077 §3.3 and RFC 8446 §4.6.1.
inline constexpr std::size_t kTicketBytesMax = 65'535;
// A session in PEM with a long certificate chain and its ticket, or a ticket in hex with colons.
inline constexpr std::size_t kTicketFileBytesMax = 512 * 1024;

struct TicketInput {
  std::vector<std::byte> bytes;
  std::string_view form;  // "hex", "hex dump", "base64", "PEM", "raw"
};

// A session ticket as people come by one: the SSL SESSION PARAMETERS that `openssl s_client
// -sess_out` writes, the "TLS session ticket:" dump that s_client prints (the last one in its
// output, or the dump's lines alone), hex (blanks and colons allowed), base64 (RFC 4648 §4 or §5,
// with or without padding, blanks allowed), or its bytes. What is printable text is never taken for
// raw bytes, all hex digits never for base64. Errors say what was found. Thread: any, with its own
// OSSL_LIB_CTX default.
Result<TicketInput> parse_ticket(ByteView input);

}  // namespace usher::ctl
