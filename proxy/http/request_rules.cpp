#include <algorithm>

#include "proxy/http/framing.h"
#include "proxy/http/head_parser.h"

namespace usher::http {

namespace {

// What the fields say, before it is held against the rest.
struct Stated {
  unsigned hosts = 0;
  std::string_view host;
  std::optional<std::uint64_t> length;
  bool chunked = false;
  unsigned options = 0;
  ConnectionOptions connection;
  unsigned upgrades = 0;
  std::string_view upgrade;
};

Method method_of(std::string_view text) {
  struct Known {
    std::string_view text;
    Method method;
  };
  static constexpr Known kMethods[] = {
      {"GET", Method::kGet},     {"POST", Method::kPost},       {"HEAD", Method::kHead},
      {"PUT", Method::kPut},     {"DELETE", Method::kDelete},   {"OPTIONS", Method::kOptions},
      {"PATCH", Method::kPatch}, {"CONNECT", Method::kConnect}, {"TRACE", Method::kTrace},
  };
  for (const Known& known : kMethods) {
    if (known.text == text) {
      return known.method;
    }
  }
  return Method::kOther;
}

bool has_trailers(std::string_view te) {
  ListReader codings(te);
  for (std::string_view coding; codings.next(coding);) {
    if (same_name(coding, "trailers")) {
      return true;
    }
  }
  return false;
}

Reject read_length(std::string_view value, std::optional<std::uint64_t>& length) {
  if (length) {
    return Reject::kBadLength;
  }
  length = parse_length(value);
  return length ? Reject::kNone : Reject::kBadLength;
}

Reject read_field(const Field& field, RequestHead& head, Stated& stated) {
  switch (field.id) {
    case FieldName::kHost:
      stated.host = field.value;
      return ++stated.hosts == 1 ? Reject::kNone : Reject::kBadAuthority;
    case FieldName::kContentLength:
      return read_length(field.value, stated.length);
    case FieldName::kTransferEncoding:
      if (stated.chunked || head.version != Version::k11 || !same_name(field.value, "chunked")) {
        return Reject::kBadCoding;
      }
      stated.chunked = true;
      return Reject::kNone;
    case FieldName::kExpect:
      head.expects_continue = true;
      return same_name(field.value, "100-continue") ? Reject::kNone : Reject::kBadExpect;
    case FieldName::kConnection:
      return add_connection_options(field.value, stated.options, stated.connection);
    case FieldName::kTe:
      head.te_trailers = head.te_trailers || has_trailers(field.value);
      return Reject::kNone;
    case FieldName::kUpgrade:
      stated.upgrade = field.value;
      ++stated.upgrades;
      return Reject::kNone;
    default:
      return Reject::kNone;
  }
}

// Reads every field and takes Host out.
Reject read_fields(RequestHead& head, Stated& stated) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < head.fields.size(); ++i) {
    const Reject reject = read_field(head.fields[i], head, stated);
    if (reject != Reject::kNone) {
      return reject;
    }
    if (head.fields[i].id == FieldName::kHost) {
      continue;
    }
    if (kept != i) {
      head.fields[kept] = head.fields[i];
    }
    ++kept;
  }
  head.fields.resize(kept);
  return Reject::kNone;
}

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!same_name(text.substr(0, prefix.size()), prefix)) {
    return false;
  }
  text.remove_prefix(prefix.size());
  return true;
}

// Splits absolute-form (RFC 9112 §3.2.2) into authority and origin-form. An empty path in front of
// a query is refused: there is no byte to make it "/?", and no client sends it. Host, if any, must
// say the same as the target (§3.2.2 would have it ignored; whoever is behind might not).
Reject split_absolute(const Stated& stated, RequestHead& head) {
  std::string_view rest = head.target;
  std::string_view default_port = "80";
  if (!take_prefix(rest, "http://")) {
    if (!take_prefix(rest, "https://")) {
      return Reject::kBadTarget;
    }
    default_port = "443";
  }
  const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
  head.authority = rest.substr(0, end);
  rest.remove_prefix(end);
  if (rest.starts_with('?')) {
    return Reject::kBadTarget;
  }
  head.target = rest;
  if (rest.empty()) {  // RFC 9112 §3.2.4
    head.target = head.method == Method::kOptions ? "*" : "/";
  }
  const bool agrees =
      stated.hosts == 0 || same_authority(head.authority, stated.host, default_port);
  return agrees ? Reject::kNone : Reject::kBadAuthority;
}

// The target becomes origin-form or "*", and authority what the target or else Host says.
Reject check_target(const Stated& stated, RequestHead& head) {
  if (!is_target(head.target)) {
    return Reject::kBadTarget;
  }
  if (head.version == Version::k2) {
    if (head.authority.empty()) {
      head.authority = stated.host;
    } else if (stated.hosts != 0 && !same_authority(head.authority, stated.host, "443")) {
      return Reject::kBadAuthority;  // RFC 9113 §8.3.1
    }
  } else {
    head.authority = stated.host;
  }
  if (head.target.front() == '/' || (head.target == "*" && head.method == Method::kOptions)) {
    return Reject::kNone;
  }
  return head.version == Version::k2 ? Reject::kBadTarget : split_absolute(stated, head);
}

Reject check_authority(const Stated& stated, const RequestHead& head) {
  if (head.version == Version::k11 && stated.hosts == 0) {
    return Reject::kBadAuthority;
  }
  const bool nobody_said = head.version == Version::k10 && stated.hosts == 0;
  if (head.authority.empty() && nobody_said) {
    return Reject::kNone;
  }
  return is_authority(head.authority) ? Reject::kNone : Reject::kBadAuthority;
}

Reject frame_request(const Stated& stated, RequestHead& head) {
  if (stated.chunked && stated.length) {
    return Reject::kBadLength;
  }
  if (head.version == Version::k2) {
    const bool ended = head.body.kind == Body::Kind::kNone;
    if (ended && stated.length.value_or(0) > 0) {
      return Reject::kBadLength;  // RFC 9113 §8.1.1
    }
  } else {
    head.body.kind = stated.chunked ? Body::Kind::kChunked : Body::Kind::kNone;
  }
  if (stated.length) {
    head.body = {*stated.length > 0 ? Body::Kind::kLength : Body::Kind::kNone, *stated.length};
  }
  return Reject::kNone;
}

// The value of Upgrade if it goes on: one well-formed field, nothing that would make the bytes
// behind it HTTP or TLS again, which the backend would read without this proxy's checks.
std::string_view upgrade_of(const Stated& stated, const RequestHead& head) {
  if (!stated.connection.upgrade || stated.upgrades != 1 || head.version != Version::k11 ||
      head.body.kind != Body::Kind::kNone) {
    return {};
  }
  ListReader protocols(stated.upgrade);
  for (std::string_view protocol; protocols.next(protocol);) {
    const std::size_t slash = protocol.find('/');
    const std::string_view name = protocol.substr(0, slash);
    if (!is_token(name) ||
        (slash != std::string_view::npos && !is_token(protocol.substr(slash + 1)))) {
      return {};
    }
    for (const std::string_view refused : {"h2c", "h2", "http", "tls"}) {
      if (same_name(name, refused)) {
        return {};
      }
    }
  }
  return stated.upgrade;
}

void set_wishes(const Stated& stated, RequestHead& head) {
  const ConnectionOptions& connection = stated.connection;
  const bool persistent = head.version != Version::k10;
  head.keep_alive = !connection.close && (persistent || connection.keep_alive);
  // RFC 9110 §10.1.1: not from 1.0, and nothing is waited for where there is no content.
  head.expects_continue =
      head.expects_continue && persistent && head.body.kind != Body::Kind::kNone;
  head.te_trailers = head.te_trailers && persistent;
  head.upgrade = upgrade_of(stated, head);
}

}  // namespace

Reject check_request(RequestHead& head) {
  head.method = method_of(head.method_text);
  if (head.method == Method::kConnect || head.method == Method::kTrace) {
    return Reject::kBadMethod;
  }
  Stated stated;
  Reject reject = read_fields(head, stated);
  if (reject == Reject::kNone) {
    reject = check_target(stated, head);
  }
  if (reject == Reject::kNone) {
    reject = check_authority(stated, head);
  }
  if (reject == Reject::kNone) {
    reject = frame_request(stated, head);
  }
  if (reject == Reject::kNone) {
    set_wishes(stated, head);
  }
  return reject;
}

}  // namespace usher::http
