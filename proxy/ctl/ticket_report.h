#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "proxy/base/bytes.h"
#include "proxy/base/result.h"
#include "proxy/tls/ticket_decoder.h"

// What `ticket decode` tells. Pure.
namespace usher::ctl {

// The fields of a ticket (RFC 5077 §4 as OpenSSL lays it out), which need no key.
struct TicketParts {
  ByteView name;       // 16
  ByteView iv;         // 16
  ByteView encrypted;  // whole blocks of 16, at least one
  ByteView mac;        // 32
};
// Into `ticket`; an error when it is truncated.
Result<TicketParts> split_ticket(ByteView ticket);

// `decoded`: none when no keys were given.
nlohmann::json ticket_json(const TicketParts& parts,
                           const std::optional<tls::DecodedTicket>& decoded);
std::string ticket_text(const TicketParts& parts, const std::optional<tls::DecodedTicket>& decoded,
                        std::int64_t now);  // Unix time
// Why a ticket did not open.
Result<void> verdict_of(const tls::DecodedTicket& decoded);

}  // namespace usher::ctl
