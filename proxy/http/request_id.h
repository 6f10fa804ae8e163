#pragma once

#include <string>

namespace usher::http {

// A new X-Request-ID: 32 hexadecimal digits, unique in a fleet (64 random bits of the thread and a
// counter, mixed). No secret: it names a request in logs and error pages.
std::string make_request_id();

}  // namespace usher::http
