#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "proxy/base/check.h"
#include "proxy/http/body_decoder.h"
#include "proxy/http/forwarding.h"

namespace {

using namespace usher;
using namespace usher::http;
using Status = BodyDecoder::Status;

struct Decoded {
  Status last = Status::kMore;
  std::size_t taken = 0;
  std::string content;
  std::string trailers;  // as they would be forwarded
  bool may_end = false;
  bool operator==(const Decoded&) const = default;
};

std::string last_chunk_of(const BodyDecoder& decoder) {
  ByteQueue to;
  append_last_chunk(to, decoder.trailers());
  return std::string(text_of(to.view()));
}

Decoded decode(const Body& body, ByteView bytes, std::size_t piece) {
  BodyDecoder decoder;
  decoder.begin(body);
  Decoded decoded;
  while (decoded.last == Status::kMore && !bytes.empty()) {
    ByteView part = bytes.first(std::min(piece, bytes.size()));
    bytes = bytes.subspan(part.size());
    do {
      const BodyDecoder::Step step = decoder.decode(part);
      CHECK(step.taken <= part.size() && step.content.size() <= step.taken);
      CHECK((step.status == Status::kContent) == !step.content.empty());
      decoded.last = step.status;
      decoded.taken += step.taken;
      decoded.content += text_of(step.content);
      part = part.subspan(step.taken);
    } while (decoded.last == Status::kContent);
    CHECK(decoded.last != Status::kMore || part.empty());
  }
  CHECK(decoder.ended() || decoded.last != Status::kEnd);
  decoded.trailers = last_chunk_of(decoder);
  decoded.may_end = decoder.may_end_here();
  if (decoded.last == Status::kBroken) {
    decoded.taken = 0;  // of no use to anyone
  }
  return decoded;
}

// Forwarded in chunks of its own, a message decodes to the same.
void check_round_trip(const Decoded& decoded) {
  ByteQueue to;
  if (!decoded.content.empty()) {
    append_chunk_start(to, decoded.content.size());
    to.append(bytes_of(decoded.content));
    append_chunk_end(to);
  }
  to.append(bytes_of(decoded.trailers));
  const Decoded again = decode({Body::Kind::kChunked, 0}, to.view(), to.size());
  CHECK(again.last == Status::kEnd && again.taken == to.size());
  CHECK(again.content == decoded.content && again.trailers == decoded.trailers);
}

}  // namespace

// Content behind a head: how the bytes are cut changes nothing, nothing behind its end is taken,
// and what is forwarded reads the same. The first byte chooses the framing.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  Body body{Body::Kind::kChunked, 0};
  if (data[0] >= 0xf0) {
    body = {Body::Kind::kUntilClose, 0};
  } else if (data[0] >= 0x80) {
    body = {Body::Kind::kLength, static_cast<std::uint64_t>(data[0] - 0x7f)};
  }
  const ByteView bytes(reinterpret_cast<const std::byte*>(data + 1), size - 1);
  const Decoded whole = decode(body, bytes, bytes.size());
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}}) {
    CHECK(decode(body, bytes, piece) == whole);
  }
  if (whole.last == Status::kEnd) {
    check_round_trip(whole);
  }
  return 0;
}
