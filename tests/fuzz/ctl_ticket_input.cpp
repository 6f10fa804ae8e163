#include <algorithm>
#include <cstdint>
#include <string>

#include "proxy/base/check.h"
#include "proxy/ctl/ticket_input.h"
#include "proxy/ctl/ticket_report.h"

namespace {

using namespace usher;

// What was found in any form is found again in hex.
void check_again_in_hex(const ctl::TicketInput& found) {
  const auto again = ctl::parse_ticket(bytes_of(hex(found.bytes)));
  CHECK(again && again->form == "hex" && again->bytes == found.bytes);
}

void check_parts(const ctl::TicketInput& found) {
  const auto parts = ctl::split_ticket(found.bytes);
  if (parts) {
    CHECK(parts->name.size() + parts->iv.size() + parts->encrypted.size() + parts->mac.size() ==
          found.bytes.size());
  }
}

}  // namespace

// Any bytes as what an operator hands over for a ticket.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto found = ctl::parse_ticket(std::as_bytes(std::span(data, size)));
  if (!found) {
    CHECK(!found.error().message.empty());
    return 0;
  }
  CHECK(!found->bytes.empty() && found->bytes.size() <= ctl::kTicketBytesMax);
  check_again_in_hex(*found);
  check_parts(*found);
  return 0;
}
