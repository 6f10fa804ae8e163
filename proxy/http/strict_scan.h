#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "proxy/http/message.h"
#include "proxy/http/reject.h"

namespace usher::http {

// The two passes over a head or trailer section. The first lets nothing through but lines that end
// in CRLF and have no CTL besides HTAB (RFC 9112 §2.2, RFC 9110 §5.5); the second relies on that.

struct SectionEnd {
  enum class Status : std::uint8_t { kIncomplete, kFound, kBadByte };
  Status status = Status::kIncomplete;
  std::size_t at = 0;  // kFound: behind the empty line; kBadByte: of that byte
};

// The first empty line in `text`, which starts at `begin`. The first `seen` bytes were passed by an
// earlier call that was kIncomplete; no byte is looked at twice.
SectionEnd find_section_end(std::string_view text, std::size_t begin, std::size_t seen);

// Field lines up to and including the empty line, as find_section_end() passed them. No obs-fold,
// no white space before the colon (RFC 9112 §5.1, §5.2). Appends to `fields`, `fields_max` in all.
Reject split_fields(std::string_view lines, std::size_t fields_max, std::vector<Field>& fields);

}  // namespace usher::http
