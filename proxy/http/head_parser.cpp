#include "proxy/http/head_parser.h"

#include <algorithm>

#include "proxy/http/framing.h"
#include "proxy/http/strict_scan.h"

namespace usher::http {

namespace {

using Status = HeadResult::Status;

HeadResult refused(Reject reject) {
  return {Status::kRefused, 0, reject};
}

struct Section {
  HeadResult result;        // kComplete: its size
  std::string_view line;    // the first, without CRLF
  std::string_view fields;  // the others, with the empty one
};

// The head's first line and its fields; `begin` bytes in front are skipped.
Section find_section(std::string_view text, std::size_t begin, std::size_t seen,
                     const HeadLimits& limits) {
  const std::string_view within = text.substr(0, limits.bytes);
  const SectionEnd end = find_section_end(within, begin, std::min(seen, within.size()));
  if (end.status == SectionEnd::Status::kIncomplete) {
    return {within.size() == limits.bytes ? refused(Reject::kHeadTooLarge) : HeadResult(), {}, {}};
  }
  const std::size_t line_end = within.find("\r\n", begin);
  if (end.status == SectionEnd::Status::kBadByte) {
    return {refused(line_end < end.at ? Reject::kBadField : Reject::kBadRequestLine), {}, {}};
  }
  return {{Status::kComplete, end.at, Reject::kNone},
          within.substr(begin, line_end - begin),
          within.substr(line_end + 2, end.at - line_end - 2)};
}

bool is_version(std::string_view text) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return text.size() == 8 && text.starts_with("HTTP/") && is_digit(text[5]) && text[6] == '.' &&
         is_digit(text[7]);
}

// HTTP-version of a message this proxy speaks: kBadVersion where it is another.
Reject read_version(std::string_view text, Version& version) {
  if (text == "HTTP/1.1") {
    version = Version::k11;
  } else if (text == "HTTP/1.0") {
    version = Version::k10;
  } else {
    return is_version(text) ? Reject::kBadVersion : Reject::kBadRequestLine;
  }
  return Reject::kNone;
}

// method SP request-target SP HTTP-version (RFC 9112 §3).
Reject read_request_line(std::string_view line, RequestHead& head) {
  const std::size_t method_end = line.find(' ');
  if (method_end == std::string_view::npos || !is_token(line.substr(0, method_end))) {
    return Reject::kBadRequestLine;
  }
  const std::size_t target_end = line.find(' ', method_end + 1);
  if (target_end == std::string_view::npos || target_end == method_end + 1) {
    return Reject::kBadRequestLine;
  }
  head.method_text = line.substr(0, method_end);
  head.target = line.substr(method_end + 1, target_end - method_end - 1);
  return read_version(line.substr(target_end + 1), head.version);
}

// HTTP-version SP status-code SP [ reason-phrase ] (RFC 9112 §4). The last SP may be missing.
Reject read_status_line(std::string_view line, ResponseHead& head) {
  constexpr std::size_t kVersionSize = 8;
  constexpr std::size_t kStatusEnd = kVersionSize + 4;
  if (line.size() < kStatusEnd || line[kVersionSize] != ' ' ||
      (line.size() > kStatusEnd && line[kStatusEnd] != ' ')) {
    return Reject::kBadRequestLine;
  }
  const std::string_view digits = line.substr(kVersionSize + 1, 3);
  const auto status = parse_length(digits);
  if (!status || *status < 100 || *status > 599) {
    return Reject::kBadRequestLine;
  }
  head.status = static_cast<unsigned>(*status);
  head.reason = line.substr(std::min(kStatusEnd + 1, line.size()));
  return read_version(line.substr(0, kVersionSize), head.version);
}

HeadResult outcome(const HeadResult& found, Reject reject) {
  return reject == Reject::kNone ? found : refused(reject);
}

}  // namespace

HeadResult parse_request_head(ByteView bytes, std::size_t seen, const HeadLimits& limits,
                              RequestHead& head) {
  const std::string_view text = text_of(bytes);
  const std::size_t begin = text.starts_with("\r\n") ? 2 : 0;
  const Section section = find_section(text, begin, seen, limits);
  if (section.result.status != Status::kComplete) {
    return section.result;
  }
  head.clear();
  Reject reject = read_request_line(section.line, head);
  if (reject == Reject::kNone) {
    reject = split_fields(section.fields, limits.fields, head.fields);
  }
  if (reject == Reject::kNone) {
    reject = check_request(head);
  }
  return outcome(section.result, reject);
}

HeadResult parse_response_head(ByteView bytes, std::size_t seen, const HeadLimits& limits,
                               Method method, ResponseHead& head) {
  const Section section = find_section(text_of(bytes), 0, seen, limits);
  if (section.result.status != Status::kComplete) {
    return section.result;
  }
  head.clear();
  Reject reject = read_status_line(section.line, head);
  if (reject == Reject::kNone) {
    reject = split_fields(section.fields, limits.fields, head.fields);
  }
  if (reject == Reject::kNone) {
    reject = frame_response(method, head);
  }
  return outcome(section.result, reject);
}

}  // namespace usher::http
