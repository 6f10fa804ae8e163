#include <cstddef>
#include <cstdint>
#include <string>

#include "proxy/base/check.h"
#include "proxy/http/forwarding.h"
#include "proxy/http/head_parser.h"

namespace {

using namespace usher;
using namespace usher::http;
using Status = HeadResult::Status;

constexpr HeadLimits kLimits{2'048, 20};

HeadResult parse_bytewise(ByteView bytes) {
  RequestHead head;
  HeadResult result;
  for (std::size_t there = 0; there <= bytes.size(); ++there) {
    const std::size_t seen = there == 0 ? 0 : there - 1;
    result = parse_request_head(bytes.first(there), seen, kLimits, head);
    if (result.status != Status::kIncomplete) {
      break;
    }
  }
  return result;
}

// Lines that end in CRLF, no other CR, LF or NUL, one empty line, at the end; one way to find the
// content's end.
void check_clean(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    CHECK(text[i] != '\0');
    CHECK(text[i] != '\r' || (i + 1 < text.size() && text[i + 1] == '\n'));
    CHECK(text[i] != '\n' || (i > 0 && text[i - 1] == '\r'));
  }
  CHECK(text.find("\r\n\r\n") == text.size() - 4);
  const bool has_length = text.find("\r\nContent-Length: ") != std::string_view::npos;
  const bool is_chunked = text.find("\r\nTransfer-Encoding: ") != std::string_view::npos;
  CHECK(!has_length || !is_chunked);
}

std::string written(const RequestHead& head, bool trusted) {
  ClientFacts facts;
  facts.address = "2001:db8::1";
  facts.port = 443;
  facts.trusted = trusted;
  facts.forwarded = config::Forwarded::kBoth;
  facts.request_id = "id";
  facts.tls_headers = !trusted;
  ByteQueue to;
  append_request_head(to, head, facts);
  return std::string(text_of(to.view()));
}

// What was written means what was understood, and says the same when it is written once more.
void check_round_trip(const RequestHead& head) {
  const std::string text = written(head, false);
  check_clean(text);
  check_clean(written(head, true));
  if (head.authority.empty()) {
    return;  // of HTTP/1.0; not for HTTP/1.1
  }
  RequestHead again;
  const HeadResult result = parse_request_head(bytes_of(text), 0, HeadLimits{65'536, 200}, again);
  CHECK(result.status == Status::kComplete && result.size == text.size());
  CHECK(again.method == head.method && again.method_text == head.method_text);
  CHECK(again.target == head.target && again.authority == head.authority);
  CHECK(again.body.kind == head.body.kind && again.body.length == head.body.length);
  CHECK(again.upgrade == head.upgrade && again.expects_continue == head.expects_continue);
  CHECK(again.te_trailers == head.te_trailers && again.keep_alive);
  CHECK(written(again, false) == text);
}

}  // namespace

// Request heads: how the bytes are cut changes nothing, and what is forwarded is clean and means
// the same to whoever reads it next.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(reinterpret_cast<const std::byte*>(data), size);
  RequestHead head;
  const HeadResult whole = parse_request_head(bytes, 0, kLimits, head);
  const HeadResult bytewise = parse_bytewise(bytes);
  CHECK(bytewise.status == whole.status && bytewise.size == whole.size &&
        bytewise.reject == whole.reject);
  CHECK((whole.status == Status::kRefused) == (whole.reject != Reject::kNone));
  if (whole.status == Status::kComplete) {
    CHECK(whole.size <= size && whole.size <= kLimits.bytes);
    CHECK(head.fields.size() <= kLimits.fields);
    check_round_trip(head);
  }
  return 0;
}
