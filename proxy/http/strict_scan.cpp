#include "proxy/http/strict_scan.h"

#include <cstring>

#include "proxy/http/syntax.h"

namespace usher::http {

namespace {

// Of the next CTL, HTAB included, or the size. Eight bytes at a time: this is each head's one full
// pass. A byte below 0x20 borrows from its own highest bit; so does a zero, which 0x7f is turned
// into. Bytes above 0x7f are no CTL.
std::size_t find_control(std::string_view text, std::size_t at) {
  constexpr std::uint64_t kEach = ~std::uint64_t{0} / 0xff;
  for (std::uint64_t word = 0; at + sizeof word <= text.size(); at += sizeof word) {
    std::memcpy(&word, text.data() + at, sizeof word);
    const std::uint64_t del_is_zero = word ^ (kEach * 0x7f);
    const std::uint64_t below = (word - kEach * 0x20) & ~word;
    const std::uint64_t zero = (del_is_zero - kEach) & ~del_is_zero;
    if (((below | zero) & (kEach * 0x80)) != 0) {
      break;
    }
  }
  while (at < text.size() && !characters::is(text[at], characters::kControl) && text[at] != '\t') {
    ++at;
  }
  return at;
}

}  // namespace

SectionEnd find_section_end(std::string_view text, std::size_t begin, std::size_t seen) {
  using Status = SectionEnd::Status;
  std::size_t at = begin;
  if (seen > begin) {
    at = text[seen - 1] == '\r' ? seen - 1 : seen;  // what follows a CR was not there yet
  }
  while ((at = find_control(text, at)) < text.size()) {
    if (text[at] == '\t') {
      ++at;
      continue;
    }
    if (text[at] == '\r' && at + 1 == text.size()) {
      break;
    }
    if (text[at] != '\r' || text[at + 1] != '\n') {
      return {Status::kBadByte, at};
    }
    if (at == begin || text[at - 1] == '\n') {
      return {Status::kFound, at + 2};
    }
    at += 2;
  }
  return {};
}

Reject split_fields(std::string_view lines, std::size_t fields_max, std::vector<Field>& fields) {
  const char* at = lines.data();
  const char* const end = at + lines.size() - 2;  // of the empty line
  while (at < end) {
    const char* colon = at;
    while (characters::is(*colon, characters::kToken)) {
      ++colon;
    }
    if (colon == at || *colon != ':') {
      return Reject::kBadField;
    }
    const char* value = colon + 1;
    while (is_space(*value)) {
      ++value;
    }
    const char* const line_end =
        static_cast<const char*>(std::memchr(value, '\r', static_cast<std::size_t>(end - value)));
    const char* value_end = line_end;
    while (value_end > value && is_space(value_end[-1])) {
      --value_end;
    }
    if (fields.size() == fields_max) {
      return Reject::kTooManyFields;
    }
    const std::string_view name(at, static_cast<std::size_t>(colon - at));
    fields.push_back({field_name_of(name), name,
                      std::string_view(value, static_cast<std::size_t>(value_end - value))});
    at = line_end + 2;
  }
  return Reject::kNone;
}

}  // namespace usher::http
