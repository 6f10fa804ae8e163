#include <algorithm>

#include "proxy/http/forwarding.h"
#include "proxy/http/head_writer.h"

namespace usher::http {

namespace {

bool is_framing(FieldName id) {
  return id == FieldName::kContentLength || id == FieldName::kTransferEncoding;
}

// Whether Connection names fields that would go on; looked up once, most responses have none.
bool names_fields(const ResponseHead& head) {
  return std::any_of(head.fields.begin(), head.fields.end(), [](const Field& field) {
    return field.id == FieldName::kConnection && !same_name(field.value, "keep-alive") &&
           !same_name(field.value, "close");
  });
}

void write_status_line(HeadWriter& out, const ResponseHead& head) {
  out.put("HTTP/1.1 ");
  out.put(std::uint64_t{head.status});
  out.put(" ");
  out.put(head.reason.empty() ? reason_phrase(head.status) : head.reason);
  out.put("\r\n");
}

void write_fields(HeadWriter& out, const ResponseHead& head, bool replace_hsts) {
  const bool some_named = names_fields(head);
  for (const Field& field : head.fields) {
    const bool replaced = replace_hsts && field.id == FieldName::kStrictTransportSecurity;
    if (!is_hop_by_hop(field.id) && !is_framing(field.id) && !replaced &&
        !(some_named && named_in_connection(head.fields, field.name))) {
      out.field(field.name, field.value);
    }
  }
}

void write_upgrade(HeadWriter& out, const ResponseHead& head) {
  for (const Field& field : head.fields) {
    if (field.id == FieldName::kUpgrade) {
      out.field("Upgrade", field.value);
    }
  }
  out.put("Connection: Upgrade\r\n");
}

void write_connection(HeadWriter& out, const ResponseWriting& how) {
  if (!how.keep_alive) {
    out.put("Connection: close\r\n");
  } else if (how.version == Version::k10) {
    out.put("Connection: keep-alive\r\n");
  }
}

void write_framing(HeadWriter& out, const ResponseHead& head, const ResponseWriting& how) {
  if (how.chunked) {
    out.put("Transfer-Encoding: chunked\r\n");
  } else if (head.body.kind == Body::Kind::kLength) {
    out.field("Content-Length", head.body.length);
  } else if (head.body.kind == Body::Kind::kNone && head.content_length && head.status != 204) {
    out.field("Content-Length", *head.content_length);
  }
}

std::size_t expected_size(const ResponseHead& head, const ResponseWriting& how) {
  constexpr std::size_t kOwn = 160;
  std::size_t size = kOwn + head.reason.size() + how.hsts.size();
  for (const Field& field : head.fields) {
    size += field.name.size() + field.value.size() + 4;
  }
  return size;
}

}  // namespace

bool goes_to_client(const ResponseHead& head, const Field& field) {
  return !is_hop_by_hop(field.id) && !is_framing(field.id) &&
         !named_in_connection(head.fields, field.name);
}

void append_response_head(ByteQueue& to, const ResponseHead& head, const ResponseWriting& how) {
  HeadWriter out(to, expected_size(head, how));
  const bool is_final = head.status >= 200;
  write_status_line(out, head);
  write_fields(out, head, is_final && !how.hsts.empty());
  if (is_final) {
    if (!how.hsts.empty()) {
      out.field("Strict-Transport-Security", how.hsts);
    }
    write_connection(out, how);
    write_framing(out, head, how);
  } else if (head.status == 101) {
    write_upgrade(out, head);
  }
  out.put("\r\n");
}

void append_chunk_start(ByteQueue& to, std::size_t size) {
  std::array<char, 18> line;
  char* end = std::to_chars(line.data(), line.data() + 16, size, 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  to.append(bytes_of({line.data(), static_cast<std::size_t>(end - line.data())}));
}

void append_chunk_end(ByteQueue& to) {
  to.append(bytes_of("\r\n"));
}

void append_last_chunk(ByteQueue& to, std::span<const Field> trailers) {
  HeadWriter out(to, 5);
  out.put("0\r\n");
  for (const Field& field : trailers) {
    out.field(field.name, field.value);
  }
  out.put("\r\n");
}

}  // namespace usher::http
