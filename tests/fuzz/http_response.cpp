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

HeadResult parse_bytewise(ByteView bytes, Method method) {
  ResponseHead head;
  HeadResult result;
  for (std::size_t there = 0; there <= bytes.size(); ++there) {
    const std::size_t seen = there == 0 ? 0 : there - 1;
    result = parse_response_head(bytes.first(there), seen, kLimits, method, head);
    if (result.status != Status::kIncomplete) {
      break;
    }
  }
  return result;
}

std::string written(const ResponseHead& head) {
  ResponseWriting how;
  how.hsts = "max-age=1";
  how.chunked = head.body.kind == Body::Kind::kChunked || head.body.kind == Body::Kind::kUntilClose;
  ByteQueue to;
  append_response_head(to, head, how);
  return std::string(text_of(to.view()));
}

// What a client reads is what was understood, with content whose end can be found.
void check_round_trip(const ResponseHead& head, Method method) {
  const std::string text = written(head);
  CHECK(text.find("\r\n\r\n") == text.size() - 4 && text.find('\0') == std::string::npos);
  ResponseHead again;
  const HeadResult result =
      parse_response_head(bytes_of(text), 0, HeadLimits{65'536, 200}, method, again);
  CHECK(result.status == Status::kComplete && result.size == text.size());
  CHECK(again.status == head.status && again.content_length == head.content_length);
  CHECK(again.body.length == head.body.length);
  CHECK(again.body.kind == head.body.kind || head.body.kind == Body::Kind::kUntilClose);
  CHECK(again.body.kind != Body::Kind::kUntilClose);
  CHECK(written(again) == text);
}

}  // namespace

// Response heads of a backend: how the bytes are cut changes nothing, and a client finds the same
// end. The first byte chooses the request's method.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const Method method = data[0] % 2 == 0 ? Method::kGet : Method::kHead;
  const ByteView bytes(reinterpret_cast<const std::byte*>(data + 1), size - 1);
  ResponseHead head;
  const HeadResult whole = parse_response_head(bytes, 0, kLimits, method, head);
  const HeadResult bytewise = parse_bytewise(bytes, method);
  CHECK(bytewise.status == whole.status && bytewise.size == whole.size &&
        bytewise.reject == whole.reject);
  if (whole.status == Status::kComplete) {
    CHECK(whole.size <= bytes.size() && whole.size <= kLimits.bytes);
    check_round_trip(head, method);
  }
  return 0;
}
