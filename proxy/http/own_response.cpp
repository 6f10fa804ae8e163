#include "proxy/http/forwarding.h"

namespace usher::http {

namespace {

struct Phrase {
  unsigned status;
  std::string_view text;
};

// RFC 9110 §15, RFC 6585, RFC 8297.
constexpr Phrase kPhrases[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {305, "Use Proxy"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {511, "Network Authentication Required"},
};

void write_content(const OwnResponse& what, std::string& content) {
  content = std::to_string(what.status);
  content += ' ';
  content += reason_phrase(what.status);
  content += '\n';
  if (!what.request_id.empty()) {
    content += "request ";
    content += what.request_id;
    content += '\n';
  }
}

}  // namespace

std::string_view reason_phrase(unsigned status) {
  for (const Phrase& phrase : kPhrases) {
    if (phrase.status == status) {
      return phrase.text;
    }
  }
  return {};
}

void make_own_response(const OwnResponse& what, ResponseHead& head, std::string& storage,
                       std::string& content) {
  head.clear();
  write_content(what, content);
  head.status = what.status;
  head.reason = reason_phrase(what.status);
  head.content_length = content.size();
  if (what.head_only) {
    content.clear();
  } else {
    head.body = {Body::Kind::kLength, content.size()};
  }

  storage.assign(what.request_id).append(what.date).append(what.location);  // views do not move
  const std::string_view stored = storage;
  const auto add = [&head](std::string_view name, std::string_view value) {
    head.fields.push_back({field_name_of(name), name, value});
  };
  add("Content-Type", "text/plain; charset=utf-8");
  add("Cache-Control", "no-store");
  if (!what.request_id.empty()) {
    add("X-Request-ID", stored.substr(0, what.request_id.size()));
  }
  if (!what.date.empty()) {
    add("Date", stored.substr(what.request_id.size(), what.date.size()));
  }
  if (!what.location.empty()) {
    add("Location", stored.substr(what.request_id.size() + what.date.size()));
  }
  if (what.status == 503) {
    add("Retry-After", "1");  // seconds; queues and ejected servers recover within few
  }
  if (what.status == 405) {
    add("Allow", "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH");
  }
}

}  // namespace usher::http
