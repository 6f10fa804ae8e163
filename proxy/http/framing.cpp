#include "proxy/http/framing.h"

#include <algorithm>

#include "proxy/http/syntax.h"

namespace usher::http {

namespace {

// Every length that one field states must be the one that was stated before.
Reject add_length(std::string_view value, std::optional<std::uint64_t>& length) {
  // An empty element is no length: ListReader would skip it.
  for (std::size_t start = 0; start <= value.size();) {
    const std::size_t comma = std::min(value.find(',', start), value.size());
    const auto stated = parse_length(trim(value.substr(start, comma - start)));
    if (!stated || (length && *length != *stated)) {
      return Reject::kBadLength;
    }
    length = stated;
    start = comma + 1;
  }
  return Reject::kNone;
}

struct Stated {
  std::optional<std::uint64_t> length;
  bool chunked = false;
  unsigned options = 0;
  ConnectionOptions connection;
};

Reject read_fields(const ResponseHead& head, Stated& stated) {
  for (const Field& field : head.fields) {
    Reject reject = Reject::kNone;
    switch (field.id) {
      case FieldName::kContentLength:
        reject = add_length(field.value, stated.length);
        break;
      case FieldName::kTransferEncoding:
        if (stated.chunked || head.version != Version::k11 || !same_name(field.value, "chunked")) {
          reject = Reject::kBadCoding;
        }
        stated.chunked = true;
        break;
      case FieldName::kConnection:
        reject = add_connection_options(field.value, stated.options, stated.connection);
        break;
      default:
        break;
    }
    if (reject != Reject::kNone) {
      return reject;
    }
  }
  return stated.chunked && stated.length ? Reject::kBadLength : Reject::kNone;
}

Body body_of(Method method, unsigned status, const Stated& stated) {
  if (status == 101) {
    return {Body::Kind::kTunnel, 0};
  }
  if (method == Method::kHead || status < 200 || status == 204 || status == 304) {
    return {};
  }
  if (stated.chunked) {
    return {Body::Kind::kChunked, 0};
  }
  if (stated.length) {
    return {*stated.length > 0 ? Body::Kind::kLength : Body::Kind::kNone, *stated.length};
  }
  return {Body::Kind::kUntilClose, 0};
}

}  // namespace

Reject add_connection_options(std::string_view value, unsigned& count, ConnectionOptions& options) {
  ListReader list(value);
  for (std::string_view option; list.next(option);) {
    if (++count > kConnectionOptionsMax || !is_token(option)) {
      return Reject::kBadField;
    }
    if (same_name(option, "keep-alive")) {
      options.keep_alive = true;
    } else if (same_name(option, "close")) {
      options.close = true;
    } else if (same_name(option, "upgrade")) {
      options.upgrade = true;
    } else if (!same_name(option, "te")) {
      options.names_fields = true;
    }
  }
  return Reject::kNone;
}

Reject frame_response(Method method, ResponseHead& head) {
  Stated stated;
  const Reject reject = read_fields(head, stated);
  if (reject != Reject::kNone) {
    return reject;
  }
  head.body = body_of(method, head.status, stated);
  if (head.status >= 200 && head.status != 204) {
    head.content_length = stated.length;
  }
  const bool ends_itself =
      head.body.kind != Body::Kind::kUntilClose && head.body.kind != Body::Kind::kTunnel;
  // It may send what it announced although a 204 has no content (RFC 9112 §6.1).
  const bool contradicts = head.status == 204 && (stated.chunked || stated.length.value_or(0) > 0);
  const bool wished =
      !stated.connection.close && (head.version == Version::k11 || stated.connection.keep_alive);
  head.keep_alive = ends_itself && wished && !contradicts;
  return Reject::kNone;
}

bool may_be_trailer(const Field& field) {
  static constexpr std::string_view kForbidden[] = {
      "age",
      "authorization",
      "cache-control",
      "content-encoding",
      "content-range",
      "content-type",
      "date",
      "expires",
      "if-match",
      "if-modified-since",
      "if-none-match",
      "if-range",
      "if-unmodified-since",
      "location",
      "max-forwards",
      "pragma",
      "range",
      "retry-after",
      "set-cookie",
      "vary",
      "warning",
      "www-authenticate",
  };
  return field.id == FieldName::kOther &&
         std::none_of(std::begin(kForbidden), std::end(kForbidden),
                      [&field](std::string_view name) { return same_name(field.name, name); });
}

}  // namespace usher::http
