#pragma once

#include <span>
#include <string>
#include <string_view>

#include "proxy/base/byte_queue.h"
#include "proxy/config/config.h"
#include "proxy/http/message.h"

namespace usher::http {

// What a backend is told about the client besides the request itself. Views live through the call.
struct ClientFacts {
  bool tls = true;
  bool trusted = false;      // in trusted_proxies: its own forwarding fields are kept and added to
  std::string_view address;  // without port: "192.0.2.1", "2001:db8::1"
  std::uint16_t port = 0;    // the listener's, as the client connected to it
  config::Forwarded forwarded = config::Forwarded::kX;
  std::string_view request_id;
  std::string_view host = {};  // in place of the Host that an HTTP/1.0 request may lack; "" none
  bool tls_headers = false;
  std::string_view tls_version;  // of tls_headers, from here on
  std::string_view cipher;
  bool resumed = false;
  std::string_view client_subject;      // RFC 4514; "" no certificate
  std::string_view client_fingerprint;  // SHA-256, hex
  std::string_view client_verify;       // "SUCCESS", "NONE" or "FAILED:reason"
};

// Appends the request as it goes to a backend (HTTP/1.1, keep-alive), written anew from what was
// understood: origin-form target, one Host (`host` for HTTP/1.0 without any), the fields that
// end here left out, one Cookie, the proxy's own fields, own framing (Content-Length or chunked),
// Upgrade where it was asked for. What Connection names is left out as well, but it can neither
// take away nor keep what the proxy writes itself. Fields that only differ from the proxy's own by
// "_" are always left out, the client's forwarding fields unless it is trusted; a trusted client's
// X-Forwarded-For and Forwarded are added to, its X-Forwarded-Proto, -Host and -Port are kept.
void append_request_head(ByteQueue& to, const RequestHead& head, const ClientFacts& facts);

// Whether field goes on to the client: hop-by-hop fields and those that Connection names do not,
// nor framing, which the client's side writes itself.
bool goes_to_client(const ResponseHead& head, const Field& field);

struct ResponseWriting {
  bool keep_alive = true;          // else "Connection: close" is said
  Version version = Version::k11;  // the client's
  std::string_view hsts = {};      // in place of the backend's; "" its own, if any
  bool chunked = false;            // the content is sent in chunks
};
// Appends a response (1xx too, without Connection and framing) as it goes to an HTTP/1 client.
// Content without length that is not sent in chunks ends with the connection: keep_alive is false.
void append_response_head(ByteQueue& to, const ResponseHead& head, const ResponseWriting& how);

// Chunked framing: begin_chunk, the content, end_chunk; then the last chunk with its trailers.
void append_chunk_start(ByteQueue& to, std::size_t size);
void append_chunk_end(ByteQueue& to);
void append_last_chunk(ByteQueue& to, std::span<const Field> trailers);

// The client's X-Request-ID if it is one (1 to 128 of [A-Za-z0-9._~+/=-]), "" else.
std::string_view request_id_of(const RequestHead& head);

// A response of Usher's own.
struct OwnResponse {
  unsigned status = 500;
  std::string_view request_id = {};  // "" before a request was understood
  std::string_view location = {};    // of a redirect
  std::string_view date = {};        // now, as http_date() has it; "" none
  bool head_only = false;            // the answer to a HEAD
};
std::string_view reason_phrase(unsigned status);  // RFC 9110 §15; "" unknown
// Its content, short plain text. The head: status, Content-Type, Content-Length, X-Request-ID,
// Date, Location, Cache-Control: no-store, Retry-After for a 503, Allow for a 405. Views in `head`
// live as long as `storage`.
void make_own_response(const OwnResponse& what, ResponseHead& head, std::string& storage,
                       std::string& content);

}  // namespace usher::http
