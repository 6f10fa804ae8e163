#include "proxy/http/date.h"

#include <array>
#include <ctime>

namespace usher::http {

std::string_view http_date(UnixSeconds now) {
  struct Written {
    UnixSeconds at{};
    std::array<char, 32> text{};
    std::size_t size = 0;
  };
  static thread_local Written last;
  if (last.size == 0 || last.at != now) {
    const std::time_t seconds = now.time_since_epoch().count();
    std::tm fields{};
    ::gmtime_r(&seconds, &fields);
    // In the C locale, which no part of Usher leaves.
    last.size =
        std::strftime(last.text.data(), last.text.size(), "%a, %d %b %Y %H:%M:%S GMT", &fields);
    last.at = now;
  }
  return {last.text.data(), last.size};
}

}  // namespace usher::http
