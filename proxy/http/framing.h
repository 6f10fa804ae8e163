#pragma once

#include "proxy/http/message.h"
#include "proxy/http/reject.h"

namespace usher::http {

// What the fields of a message say together: of one request in check_request() (head_parser.h), of
// a response here.

// What Connection asks for (RFC 9110 §7.6.1).
struct ConnectionOptions {
  bool close = false;
  bool keep_alive = false;
  bool upgrade = false;
  bool names_fields = false;  // others than these and TE
};
// More options than this are refused with kBadField: each costs a look at every field.
inline constexpr unsigned kConnectionOptionsMax = 32;
// Adds what one Connection field says; `count` goes on from field to field.
Reject add_connection_options(std::string_view value, unsigned& count, ConnectionOptions& options);

// How the response to `method` ends (RFC 9112 §6.3) and whether its connection can be used again:
// sets body, content_length and keep_alive. A Content-Length may be repeated with the same value
// (RFC 9110 §8.6); anything else that is ambiguous is refused.
Reject frame_response(Method method, ResponseHead& head);

// False for what a trailer section may not say (RFC 9110 §6.5.1): framing, routing, authentication,
// how the content is to be read or kept. The known ids are such; so are some others.
bool may_be_trailer(const Field& field);

}  // namespace usher::http
