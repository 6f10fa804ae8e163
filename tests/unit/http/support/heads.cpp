#include "tests/unit/http/support/heads.h"

namespace usher::http::test {

ParsedRequest::ParsedRequest(std::string bytes, const HeadLimits& limits)
    : raw(std::move(bytes)), result(parse_request_head(bytes_of(raw), 0, limits, head)) {}

ParsedResponse::ParsedResponse(std::string bytes, Method method, const HeadLimits& limits)
    : raw(std::move(bytes)), result(parse_response_head(bytes_of(raw), 0, limits, method, head)) {}

HeadResult parse_request_bytewise(std::string_view bytes, const HeadLimits& limits) {
  RequestHead head;
  HeadResult result;
  for (std::size_t there = 0; there <= bytes.size(); ++there) {
    // In memory of its own, so that a sanitizer sees a look behind its end.
    const std::string part(bytes.substr(0, there));
    const std::size_t seen = there == 0 ? 0 : there - 1;
    result = parse_request_head(bytes_of(part), seen, limits, head);
    if (result.status != HeadResult::Status::kIncomplete) {
      break;
    }
  }
  return result;
}

std::string text_of_fields(const std::vector<Field>& fields) {
  std::string text;
  for (const Field& field : fields) {
    text.append(text.empty() ? "" : "|").append(field.name).append(": ").append(field.value);
  }
  return text;
}

}  // namespace usher::http::test
