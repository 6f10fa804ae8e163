#pragma once

#include <cstddef>

#include "proxy/base/bytes.h"
#include "proxy/http/message.h"
#include "proxy/http/reject.h"
#include "proxy/http/syntax.h"

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

// One pass finds the end and every byte that may not be there, a second one splits the lines. A
// laxer parser behind it could only agree or be wrong, and Boost.Beast's would double the cost
// (bench/micro, bench_http).

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

// The checks on which HTTP/1 and HTTP/2 agree, for a head whose version, method_text, target and
// fields are filled in (Host may be among the fields; it is taken out). HTTP/2 also fills in
// authority from :authority and body: kNone after END_STREAM, else kChunked; a Content-Length makes
// that kLength, or kNone for 0. Sets method, authority, upgrade, expects_continue, te_trailers,
// keep_alive and body.
Reject check_request(RequestHead& head);

}  // namespace usher::http
