#pragma once

#include <cstddef>

#include "proxy/base/bytes.h"
#include "proxy/http/message.h"
#include "proxy/http/reject.h"

namespace usher::http {

struct HeadLimits {
  std::size_t bytes = 32'768;  // request or status line, fields and the empty line
  std::size_t fields = 100;
};

struct HeadResult {
  enum class Status : std::uint8_t { kIncomplete, kComplete, kRefused };
  Status status = Status::kIncomplete;
  std::size_t size = 0;  // bytes of the head, of kComplete
  Reject reject = Reject::kNone;
};

// Parses an HTTP/1 request head at the start of `bytes` (which may hold less than it, or more) into
// `head`, whose memory is used again. Strict (RFC 9112 with every MAY of leniency declined): CRLF
// only, no obs-fold, no white space before a colon, no CTL; exactly one valid Host in 1.1, at most
// one Content-Length, Transfer-Encoding only "chunked" and only in 1.1, never both; absolute-form
// only where it agrees with Host. One empty line before the request line is skipped (§2.2). `seen`
// bytes were there at the last call, which was kIncomplete: they are not searched again.
HeadResult parse_request_head(ByteView bytes, std::size_t seen, const HeadLimits& limits,
                              RequestHead& head);

// The same for a backend's response to a request of `method`; a kRefused one is a broken backend.
// 1xx heads come out with Body::kNone (101: kTunnel).
HeadResult parse_response_head(ByteView bytes, std::size_t seen, const HeadLimits& limits,
                               Method method, ResponseHead& head);

// The checks on which HTTP/1 and HTTP/2 agree, for a head whose fields are filled in: authority,
// target, Expect, lengths, methods that Usher does not serve. Sets what follows from fields.
Reject check_request(RequestHead& head);

// RFC 3986 §3.2 without userinfo: a host (reg-name, IPv4 or [IPv6]) and perhaps a port.
bool is_authority(std::string_view text);
// RFC 9110 §5.5 field value / §5.6.2 token.
bool is_field_value(std::string_view text);
bool is_token(std::string_view text);

}  // namespace usher::http
