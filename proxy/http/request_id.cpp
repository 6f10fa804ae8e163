#include "proxy/http/request_id.h"

#include <sys/random.h>

#include <cstdint>

#include "proxy/base/check.h"
#include "proxy/base/mix.h"

namespace usher::http {
namespace {

struct Source {
  Source() {
    // Never fails nor blocks for so few bytes once the machine is up (getrandom(2)).
    CHECK(::getrandom(this, sizeof *this, 0) == static_cast<ssize_t>(sizeof *this));
  }
  std::uint64_t thread;
  std::uint64_t counter;
};

void write_hex(char* to, std::uint64_t value) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (int shift = 60; shift >= 0; shift -= 4) {
    *to++ = kDigits[(value >> shift) & 0xf];
  }
}

}  // namespace

std::string make_request_id() {
  static thread_local Source source;
  std::string id(32, '\0');
  write_hex(id.data(), source.thread);
  write_hex(id.data() + 16, mixed(source.counter++));
  return id;
}

}  // namespace usher::http
