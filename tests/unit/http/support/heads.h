#pragma once

#include <string>
#include <string_view>

#include "proxy/http/head_parser.h"

namespace usher::http::test {

// A request head and what its views point into.
struct ParsedRequest {
  explicit ParsedRequest(std::string bytes, const HeadLimits& limits = {});
  ParsedRequest(const ParsedRequest&) = delete;

  Reject reject() const { return result.reject; }
  bool complete() const { return result.status == HeadResult::Status::kComplete; }

  std::string raw;
  RequestHead head;
  HeadResult result;
};

struct ParsedResponse {
  explicit ParsedResponse(std::string bytes, Method method = Method::kGet,
                          const HeadLimits& limits = {});
  ParsedResponse(const ParsedResponse&) = delete;

  Reject reject() const { return result.reject; }
  bool complete() const { return result.status == HeadResult::Status::kComplete; }

  std::string raw;
  ResponseHead head;
  HeadResult result;
};

// What comes of `bytes` when they arrive one by one.
HeadResult parse_request_bytewise(std::string_view bytes, const HeadLimits& limits = {});

// "name: value|…", to compare at a glance.
std::string text_of_fields(const std::vector<Field>& fields);

}  // namespace usher::http::test
