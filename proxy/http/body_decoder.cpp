#include "proxy/http/body_decoder.h"

#include <algorithm>
#include <charconv>

#include "proxy/http/framing.h"
#include "proxy/http/strict_scan.h"
#include "proxy/http/syntax.h"

namespace usher::http {

namespace {

// A chunk-size line with its CRLF. 16 digits and what extensions are known to carry (a signature
// of some 100 characters) fit; a peer that sends one byte a chunk wastes no more than this on it.
constexpr std::size_t kChunkLineMax = 256;
// Checksums, signatures, a gRPC status with its message.
constexpr std::size_t kTrailerBytesMax = 8'192;
constexpr std::size_t kTrailerFieldsMax = 32;

// chunk-size [ chunk-ext ] without CRLF (RFC 9112 §7.1): no white space before or behind the size,
// an extension without CTL. False: malformed.
bool parse_chunk_line(std::string_view line, std::uint64_t& size) {
  constexpr std::size_t kDigitsMax = 16;
  const char* end = line.data() + line.size();
  const auto [stop, error] = std::from_chars(line.data(), end, size, 16);
  const auto digits = static_cast<std::size_t>(stop - line.data());
  if (error != std::errc() || digits > kDigitsMax || (stop != end && *stop != ';')) {
    return false;
  }
  return std::none_of(stop, end, [](char c) { return characters::is(c, characters::kControl); });
}

}  // namespace

void BodyDecoder::begin(const Body& body) {
  line_.clear();
  trailers_.clear();
  left_ = body.length;
  switch (body.kind) {
    case Body::Kind::kNone:
      state_ = State::kEnded;
      return;
    case Body::Kind::kLength:
      state_ = left_ > 0 ? State::kLength : State::kEnded;
      return;
    case Body::Kind::kChunked:
      state_ = State::kChunkLine;
      return;
    case Body::Kind::kUntilClose:
    case Body::Kind::kTunnel:
      state_ = State::kUntilClose;
      return;
  }
}

BodyDecoder::Step BodyDecoder::decode(ByteView bytes) {
  std::size_t taken = 0;
  for (;;) {
    const State before = state_;
    Step step = decode_one(bytes.subspan(taken));
    taken += step.taken;
    step.taken = taken;
    if (step.status != Status::kMore || state_ == before) {
      return step;
    }
  }
}

// What the bytes say in the present state; kMore in a new state goes on there.
BodyDecoder::Step BodyDecoder::decode_one(ByteView bytes) {
  switch (state_) {
    case State::kEnded:
      return {Status::kEnd, 0, {}};
    case State::kBroken:
      return {Status::kBroken, 0, {}};
    case State::kUntilClose:
      return {bytes.empty() ? Status::kMore : Status::kContent, bytes.size(), bytes};
    case State::kLength:
      return take_content(bytes, State::kEnded);
    case State::kChunkData:
      return take_content(bytes, State::kChunkDataEnd);
    case State::kChunkDataEnd:
    case State::kChunkLine:
      return take_line(bytes);
    case State::kTrailers:
      return take_trailers(bytes);
  }
  return broken();
}

BodyDecoder::Step BodyDecoder::take_content(ByteView bytes, State next) {
  if (bytes.empty()) {
    return {};
  }
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
  left_ -= count;
  if (left_ == 0) {
    state_ = next;
  }
  return {Status::kContent, count, bytes.first(count)};
}

// A line that lies whole in `bytes` is read where it is; a cut one is gathered in line_.
BodyDecoder::Step BodyDecoder::take_line(ByteView bytes) {
  const std::size_t most = state_ == State::kChunkLine ? kChunkLineMax : 2;
  const std::string_view text = text_of(bytes).substr(0, most - line_.size());
  const std::size_t line_feed = text.find('\n');
  const std::size_t taken = line_feed == std::string_view::npos ? text.size() : line_feed + 1;
  std::string_view line = text.substr(0, taken);
  if (!line_.empty() || line_feed == std::string_view::npos) {
    line = line_.append(line);
  }
  if (line_feed == std::string_view::npos) {
    return line.size() == most ? broken() : Step{Status::kMore, taken, {}};
  }
  if (!line.ends_with("\r\n") || !end_line(line.substr(0, line.size() - 2))) {
    return broken();
  }
  line_.clear();
  return {Status::kMore, taken, {}};
}

bool BodyDecoder::end_line(std::string_view line) {
  if (state_ == State::kChunkDataEnd) {
    state_ = State::kChunkLine;
    return line.empty();
  }
  if (!parse_chunk_line(line, left_)) {
    return false;
  }
  state_ = left_ > 0 ? State::kChunkData : State::kTrailers;
  return true;
}

BodyDecoder::Step BodyDecoder::take_trailers(ByteView bytes) {
  const std::string_view text = text_of(bytes).substr(0, kTrailerBytesMax - line_.size());
  if (line_.empty() && text.starts_with("\r\n")) {
    state_ = State::kEnded;
    return {Status::kEnd, 2, {}};
  }
  const std::size_t seen = line_.size();
  line_.append(text);
  const SectionEnd end = find_section_end(line_, 0, seen);
  if (end.status == SectionEnd::Status::kIncomplete && line_.size() < kTrailerBytesMax) {
    return {Status::kMore, text.size(), {}};
  }
  if (end.status != SectionEnd::Status::kFound) {
    return broken();
  }
  line_.resize(end.at);
  if (split_fields(line_, kTrailerFieldsMax, trailers_) != Reject::kNone) {
    return broken();
  }
  std::erase_if(trailers_, [](const Field& field) { return !may_be_trailer(field); });
  state_ = State::kEnded;
  return {Status::kEnd, end.at - seen, {}};
}

BodyDecoder::Step BodyDecoder::broken() {
  state_ = State::kBroken;
  trailers_.clear();
  return {Status::kBroken, 0, {}};
}

bool BodyDecoder::may_end_here() const {
  return state_ == State::kUntilClose || state_ == State::kEnded;
}

}  // namespace usher::http
