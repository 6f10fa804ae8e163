#pragma once

#include <string>
#include <vector>

#include "proxy/base/result.h"
#include "proxy/ctl/console.h"

namespace usher::ctl {

struct DecodeOptions {
  std::string ticket;             // the ticket itself, a file, or "-"
  std::vector<std::string> keys;  // key files; none: only what needs no key is shown
  std::string format;             // of the key files; "": by their content
};

// `usherctl ticket decode`: shows what is in a ticket. A ticket that does not open is shown as far
// as it can be and is an error: truncated, none of the keys, bad MAC, no session. No daemon is
// asked. Thread: main.
Result<void> decode_ticket(const DecodeOptions& options, const Console& console);

}  // namespace usher::ctl
