#include <algorithm>

#include "proxy/http/forwarding.h"
#include "proxy/http/head_writer.h"
#include "proxy/http/syntax.h"

namespace usher::http {

namespace {

bool writes_x(const ClientFacts& facts) {
  return facts.forwarded == config::Forwarded::kX || facts.forwarded == config::Forwarded::kBoth;
}

bool writes_rfc7239(const ClientFacts& facts) {
  return facts.forwarded == config::Forwarded::kRfc7239 ||
         facts.forwarded == config::Forwarded::kBoth;
}

// Whether the client's copy goes on as it is, Connection aside.
bool goes_to_backend(FieldName id, const ClientFacts& facts) {
  switch (id) {
    case FieldName::kOther:
    case FieldName::kStrictTransportSecurity:
      return true;
    case FieldName::kForwarded:
      return facts.trusted && !writes_rfc7239(facts);
    case FieldName::kXForwardedFor:
    case FieldName::kXForwardedProto:
    case FieldName::kXForwardedHost:
    case FieldName::kXForwardedPort:
      return facts.trusted && !writes_x(facts);
    case FieldName::kXTls:
      return facts.trusted && !facts.tls_headers;
    default:
      return false;  // hop-by-hop, or written below
  }
}

// Whether Connection names fields that would go on; looked up once, most requests have none.
bool names_fields(const RequestHead& head) {
  return std::any_of(head.fields.begin(), head.fields.end(), [](const Field& field) {
    return field.id == FieldName::kConnection && !same_name(field.value, "keep-alive") &&
           !same_name(field.value, "close");
  });
}

// The values of all `id` fields as one list. Whether there was any.
bool put_joined(HeadWriter& out, const RequestHead& head, FieldName id,
                std::string_view separator) {
  bool any = false;
  for (const Field& field : head.fields) {
    if (field.id == id && !field.value.empty()) {
      out.put(any ? separator : std::string_view());
      out.put(field.value);
      any = true;
    }
  }
  return any;
}

void write_cookie(HeadWriter& out, const RequestHead& head) {
  out.put("Cookie: ");
  put_joined(out, head, FieldName::kCookie, "; ");
  out.put("\r\n");
}

void write_kept_fields(HeadWriter& out, const RequestHead& head, const ClientFacts& facts) {
  const bool some_named = names_fields(head);
  bool cookie_written = false;
  for (const Field& field : head.fields) {
    const bool is_cookie = field.id == FieldName::kCookie;
    if (!is_cookie && !goes_to_backend(field.id, facts)) {
      continue;
    }
    // A trusted proxy may pass on a Connection field that its client sent to strip its address.
    const bool strippable = field.id == FieldName::kOther || is_cookie;
    if (some_named && strippable && named_in_connection(head.fields, field.name)) {
      continue;
    }
    if (!is_cookie) {
      out.field(field.name, field.value);
    } else if (!cookie_written) {
      cookie_written = true;
      write_cookie(out, head);
    }
  }
}

std::string_view scheme_of(const ClientFacts& facts) {
  return facts.tls ? "https" : "http";
}

// The first value that a trusted client sent, "" none.
std::string_view trusted_value(const RequestHead& head, const ClientFacts& facts, FieldName id) {
  if (facts.trusted) {
    for (const Field& field : head.fields) {
      if (field.id == id && !field.value.empty()) {
        return field.value;
      }
    }
  }
  return {};
}

void write_x_forwarded(HeadWriter& out, const RequestHead& head, const ClientFacts& facts) {
  out.put("X-Forwarded-For: ");
  if (facts.trusted && put_joined(out, head, FieldName::kXForwardedFor, ", ")) {
    out.put(", ");
  }
  out.put(facts.address.empty() ? "unknown" : facts.address);
  out.put("\r\n");
  const auto proto = trusted_value(head, facts, FieldName::kXForwardedProto);
  out.field("X-Forwarded-Proto", proto.empty() ? scheme_of(facts) : proto);
  const auto host = trusted_value(head, facts, FieldName::kXForwardedHost);
  if (!host.empty() || !head.authority.empty()) {
    out.field("X-Forwarded-Host", host.empty() ? head.authority : host);
  }
  const auto port = trusted_value(head, facts, FieldName::kXForwardedPort);
  if (port.empty()) {
    out.field("X-Forwarded-Port", std::uint64_t{facts.port});
  } else {
    out.field("X-Forwarded-Port", port);
  }
}

// RFC 7239 §4, §6: what is no token stands in quotes, IPv6 in brackets besides. Neither an address
// nor an authority holds a character that needs an escape.
void write_forwarded(HeadWriter& out, const RequestHead& head, const ClientFacts& facts) {
  out.put("Forwarded: ");
  if (facts.trusted && put_joined(out, head, FieldName::kForwarded, ", ")) {
    out.put(", ");
  }
  const bool is_ipv6 = facts.address.find(':') != std::string_view::npos;
  out.put(is_ipv6 ? "for=\"[" : "for=");
  out.put(facts.address.empty() ? "unknown" : facts.address);
  out.put(is_ipv6 ? "]\";proto=" : ";proto=");
  out.put(scheme_of(facts));
  if (!head.authority.empty()) {
    const std::string_view quote = is_token(head.authority) ? "" : "\"";
    out.put(";host=");
    out.put(quote);
    out.put(head.authority);
    out.put(quote);
  }
  out.put("\r\n");
}

// A value that came out of a certificate: without what no field may hold.
void write_checked(HeadWriter& out, std::string_view name, std::string_view value) {
  out.put(name);
  out.put(": ");
  for (const char c : value) {
    out.put(characters::is(c, characters::kControl) ? std::string_view("?")
                                                    : std::string_view(&c, 1));
  }
  out.put("\r\n");
}

void write_tls_facts(HeadWriter& out, const ClientFacts& facts) {
  out.field("X-TLS-Version", facts.tls_version);
  out.field("X-TLS-Cipher", facts.cipher);
  out.field("X-TLS-Resumed", facts.resumed ? "1" : "0");
  if (!facts.client_subject.empty()) {
    write_checked(out, "X-TLS-Client-Subject", facts.client_subject);
  }
  if (!facts.client_fingerprint.empty()) {
    out.field("X-TLS-Client-Fingerprint", facts.client_fingerprint);
  }
  if (!facts.client_verify.empty()) {
    write_checked(out, "X-TLS-Client-Verify", facts.client_verify);
  }
}

void write_hop(HeadWriter& out, const RequestHead& head) {
  if (!head.upgrade.empty()) {
    out.field("Upgrade", head.upgrade);
    out.put(head.te_trailers ? "Connection: Upgrade, TE\r\n" : "Connection: Upgrade\r\n");
  } else if (head.te_trailers) {
    out.put("Connection: TE\r\n");
  }
  if (head.te_trailers) {
    out.put("TE: trailers\r\n");
  }
}

// RFC 9110 §8.6: methods that mean something by content say that there is none.
bool says_no_content(const RequestHead& head) {
  return head.method == Method::kPost || head.method == Method::kPut ||
         head.method == Method::kPatch ||
         std::any_of(head.fields.begin(), head.fields.end(),
                     [](const Field& field) { return field.id == FieldName::kContentLength; });
}

void write_framing(HeadWriter& out, const RequestHead& head) {
  if (head.body.kind == Body::Kind::kLength) {
    out.field("Content-Length", head.body.length);
  } else if (head.body.kind == Body::Kind::kChunked) {
    out.put("Transfer-Encoding: chunked\r\n");
  } else if (says_no_content(head)) {
    out.put("Content-Length: 0\r\n");
  }
  if (head.expects_continue) {
    out.put("Expect: 100-continue\r\n");
  }
}

// About what the head takes: fields as they came, and room for the proxy's own.
std::size_t expected_size(const RequestHead& head, const ClientFacts& facts) {
  constexpr std::size_t kOwn = 320;
  constexpr std::size_t kOwnOfTls = 256;
  std::size_t size =
      kOwn + (facts.tls_headers ? kOwnOfTls : 0) + head.target.size() + 2 * head.authority.size();
  for (const Field& field : head.fields) {
    size += field.name.size() + field.value.size() + 4;
  }
  return size;
}

}  // namespace

void append_request_head(ByteQueue& to, const RequestHead& head, const ClientFacts& facts) {
  HeadWriter out(to, expected_size(head, facts));
  out.put(head.method_text);
  out.put(" ");
  out.put(head.target);
  out.put(" HTTP/1.1\r\n");
  out.field("Host", head.authority.empty() ? facts.host : head.authority);
  write_kept_fields(out, head, facts);
  if (writes_x(facts)) {
    write_x_forwarded(out, head, facts);
  }
  if (writes_rfc7239(facts)) {
    write_forwarded(out, head, facts);
  }
  if (!facts.request_id.empty()) {
    out.field("X-Request-ID", facts.request_id);
  }
  if (facts.tls_headers) {
    write_tls_facts(out, facts);
  }
  write_hop(out, head);
  write_framing(out, head);
  out.put("\r\n");
}

std::string_view request_id_of(const RequestHead& head) {
  constexpr std::size_t kMax = 128;
  std::string_view id;
  for (const Field& field : head.fields) {
    if (field.id != FieldName::kXRequestId) {
      continue;
    }
    if (!id.empty() || field.value.empty() || field.value.size() > kMax) {
      return {};
    }
    id = field.value;
  }
  const bool clean = std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           std::string_view("._~+/=-").find(c) != std::string_view::npos;
  });
  return clean ? id : std::string_view();
}

}  // namespace usher::http
