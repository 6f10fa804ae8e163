#pragma once

#include <string_view>

#include "proxy/base/clock.h"

namespace usher::http {

// The IMF-fixdate of RFC 9110 §5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT". Lives until the thread's
// next call; written anew once a second.
std::string_view http_date(UnixSeconds now);

}  // namespace usher::http
