#include "proxy/admin/http_message.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <ctime>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

#include "proxy/admin/json_response.h"

namespace usher::admin {
namespace {

namespace http = boost::beast::http;

constexpr std::size_t kHeadMax = 16 * 1024;
constexpr std::size_t kBodyMax = 64 * 1024;
constexpr std::string_view kHeadEnd = "\r\n\r\n";

using Parser = http::request_parser<http::empty_body>;  // the body is counted here, not there
using Fields = Parser::value_type;

struct Refusal {
  int status;
  std::string why;
};

std::string_view view_of(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

// A continued line hides a field from whoever reads line by line; RFC 9112 §5.2 lets servers refuse
// it, Beast joins it.
bool has_folded_line(std::string_view head) {
  return head.find("\r\n ") != std::string_view::npos ||
         head.find("\r\n\t") != std::string_view::npos;
}

Refusal refusal_for(const boost::system::error_code& error) {
  if (error == http::error::body_limit) {
    return {413, fmt::format("a body may have {} bytes", kBodyMax)};
  }
  if (error == http::error::bad_version) {
    return {505, "HTTP/1.0 and HTTP/1.1 only"};
  }
  return {400, "malformed request: " + error.message()};
}

std::optional<Refusal> check_framing(const Fields& fields) {
  const std::size_t hosts = fields.count(http::field::host);
  if (hosts > 1 || (hosts == 0 && fields.version() >= 11)) {
    return Refusal{400, "exactly one Host is needed (RFC 9112 section 3.2)"};
  }
  if (fields.count(http::field::transfer_encoding) != 0) {
    return Refusal{501, "bodies need a Content-Length; there are no transfer codings here"};
  }
  const auto expect = fields.find(http::field::expect);
  if (expect != fields.end() && fields.version() >= 11 &&
      !boost::beast::iequals(expect->value(), "100-continue")) {
    return Refusal{417, "the only expectation known is 100-continue"};
  }
  return std::nullopt;
}

std::optional<Refusal> check_access(const Fields& fields, Access access) {
  if (access == Access::kNone) {
    return Refusal{403,
                   "your user may not use this socket: root and the user that the process runs as "
                   "may do all, members of allow_groups may read"};
  }
  const http::verb method = fields.method();
  if (method == http::verb::get || method == http::verb::head) {
    return std::nullopt;
  }
  if (method != http::verb::post) {
    return Refusal{405,
                   access == Access::kChange ? "GET, HEAD and POST only" : "GET and HEAD only"};
  }
  switch (access) {
    case Access::kChange:
      return std::nullopt;
    case Access::kRead:
      return Refusal{403,
                     "your user may only read: changes need root or the user that the process "
                     "runs as"};
    default:
      return Refusal{405, "GET and HEAD only; changes go through the control socket"};
  }
}

// Path and query of "/path?query" or "http://host/path?query" (RFC 9112 §3.2); false for other
// forms.
bool split_target(std::string_view target, Request& request) {
  if (!target.starts_with('/')) {
    const std::size_t scheme = target.find("://");
    if (scheme == std::string_view::npos) {
      return false;
    }
    const std::size_t path = target.find('/', scheme + 3);
    target = path == std::string_view::npos ? "/" : target.substr(path);
  }
  const std::size_t question = target.find('?');
  request.path = target.substr(0, question);
  request.query = question == std::string_view::npos ? "" : target.substr(question + 1);
  return true;
}

}  // namespace

RequestReader::Status RequestReader::read(SecretQueue& input) {
  if (!head_done_) {
    const Status status = read_head(input);
    if (!head_done_) {
      return status;
    }
  }
  return read_body(input);
}

RequestReader::Status RequestReader::refuse(int status, std::string_view why) {
  refusal_ = error_response(status, why);
  if (status == 405) {
    refusal_.allow = access_ == Access::kChange ? "GET, HEAD, POST" : "GET, HEAD";
  }
  return Status::kRefused;
}

RequestReader::Status RequestReader::read_head(SecretQueue& input) {
  const std::string_view received = text_of(input.view());
  const std::size_t end = received.substr(0, kHeadMax).find(kHeadEnd, scanned_);
  if (end == std::string_view::npos) {
    scanned_ = received.size() - std::min(received.size(), kHeadEnd.size() - 1);
    return received.size() < kHeadMax
               ? Status::kIncomplete
               : refuse(431, fmt::format("a request's head may have {} bytes", kHeadMax));
  }
  const std::string_view head = received.substr(0, end + kHeadEnd.size());
  if (has_folded_line(head)) {
    return refuse(400, "folded header lines are refused (RFC 9112 section 5.2)");
  }
  Parser parser;
  parser.header_limit(kHeadMax);
  parser.body_limit(kBodyMax);
  boost::system::error_code error;
  parser.put({head.data(), head.size()}, error);
  if (error) {
    const Refusal refusal = refusal_for(error);
    return refuse(refusal.status, refusal.why);
  }
  const Fields& fields = parser.get();
  std::optional<Refusal> refusal = check_framing(fields);
  if (!refusal) {
    refusal = check_access(fields, access_);
  }
  if (!refusal && !split_target(view_of(fields.target()), request_)) {
    refusal = Refusal{400, "the request target must be a path"};
  }
  if (refusal) {
    return refuse(refusal->status, refusal->why);
  }
  request_.access = access_;
  request_.method = view_of(fields.method_string());
  body_left_ = static_cast<std::size_t>(parser.content_length().value_or(0));
  if (fields.method() == http::verb::post) {  // the body of a GET means nothing (RFC 9110 §9.3.1)
    request_.body = SecretBuffer(body_left_);
  }
  keep_alive_ = parser.keep_alive();
  expects_continue_ = fields.version() >= 11 && fields.count(http::field::expect) != 0;
  head_done_ = true;
  input.consume(head.size());
  return Status::kIncomplete;
}

// The body goes to its place as it comes: the queue holds key bytes for one turn at most.
RequestReader::Status RequestReader::read_body(SecretQueue& input) {
  const std::size_t here = std::min(input.size(), body_left_);
  const std::span<std::byte> body = request_.body.bytes();
  if (!body.empty()) {
    std::ranges::copy(input.view().first(here), body.last(body_left_).begin());
  }
  input.consume(here);
  body_left_ -= here;
  if (body_left_ == 0) {
    return Status::kComplete;
  }
  // Bytes of the body that are here already say that the client does not wait (RFC 9110 §10.1.1).
  const bool waits = std::exchange(expects_continue_, false) && here == 0;
  return waits ? Status::kExpectsContinue : Status::kIncomplete;
}

void RequestReader::next() {
  head_done_ = false;
  scanned_ = 0;
  request_ = Request{};
}

std::string to_wire(const Response& response, bool head_only, bool keep_alive) {
  std::string wire = fmt::format(
      "HTTP/1.1 {} {}\r\nDate: {:%a, %d %b %Y %H:%M:%S} GMT\r\nContent-Type: {}\r\n"
      "Content-Length: {}\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n",
      response.status,
      view_of(http::obsolete_reason(http::int_to_status(static_cast<unsigned>(response.status)))),
      fmt::gmtime(std::time(nullptr)), response.content_type,
      response.body.size() + response.secret_body.size());
  if (!response.allow.empty()) {
    wire += "Allow: " + response.allow + "\r\n";
  }
  wire += keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  if (!head_only) {
    wire += response.body;
  }
  return wire;
}

}  // namespace usher::admin
