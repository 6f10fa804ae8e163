#include "proxy/http/reject.h"

namespace usher::http {

std::string_view name_of(Reject reject) {
  switch (reject) {
    case Reject::kNone:
      return "none";
    case Reject::kBadRequestLine:
      return "bad_request_line";
    case Reject::kBadMethod:
      return "bad_method";
    case Reject::kBadTarget:
      return "bad_target";
    case Reject::kBadAuthority:
      return "bad_authority";
    case Reject::kBadVersion:
      return "bad_version";
    case Reject::kBadField:
      return "bad_field";
    case Reject::kBadLength:
      return "bad_length";
    case Reject::kBadCoding:
      return "bad_coding";
    case Reject::kBadChunk:
      return "bad_chunk";
    case Reject::kBadExpect:
      return "bad_expect";
    case Reject::kHeadTooLarge:
      return "head_too_large";
    case Reject::kTooManyFields:
      return "too_many_fields";
    case Reject::kHeadTimeout:
      return "head_timeout";
    case Reject::kBodyTimeout:
      return "body_timeout";
    case Reject::kBadFrame:
      return "bad_frame";
    case Reject::kFlood:
      return "flood";
  }
  return "none";
}

unsigned status_of(Reject reject) {
  switch (reject) {
    case Reject::kBadMethod:
      return 405;
    case Reject::kHeadTimeout:
    case Reject::kBodyTimeout:
      return 408;
    case Reject::kBadExpect:
      return 417;
    case Reject::kHeadTooLarge:
    case Reject::kTooManyFields:
      return 431;
    case Reject::kBadVersion:
      return 505;
    default:
      return 400;
  }
}

}  // namespace usher::http
