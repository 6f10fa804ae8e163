#include "proxy/http/http2_guard.h"

#include <algorithm>

namespace usher::http::http2 {
namespace {

// Ignored DATA of at least this size is an upload on its way when we reset it; flow control bounds
// it.
constexpr std::uint32_t kBulkMin = 1024;

}  // namespace

Guard::Guard(std::size_t block_bytes_max, uv::LoopTime now)
    : block_bytes_max_(block_bytes_max),
      resets_(kResetsBurst, kResetsPerSecond, now),
      idle_frames_(kIdleFramesBurst, kIdleFramesPerSecond, now) {}

Guard::Verdict Guard::on_frame(const FrameHeader& frame, uv::LoopTime now) {
  if (in_field_section()) {
    return on_continuation(frame);
  }
  switch (frame.type) {
    case FrameType::kData:
      if (frame.length == 0 && (frame.flags & kEndStream) == 0 && !idle_frames_.take(now)) {
        return Verdict::kFlood;
      }
      return opened_before(frame.stream) ? Verdict::kAsk : Verdict::kPass;
    case FrameType::kHeaders:
      return on_headers(frame);
    case FrameType::kPriority:
      return on_priority(frame, now);
    case FrameType::kPriorityUpdate:
      return frame.length >= 4 && frame.subject == 0 ? Verdict::kProtocolError : charge_idle(now);
    case FrameType::kRstStream:
      return resets_.take(now) ? Verdict::kPass : Verdict::kFlood;
    default:
      return charge_idle(now);
  }
}

Guard::Verdict Guard::on_headers(const FrameHeader& frame) {
  if ((frame.flags & kEndHeaders) == 0) {
    section_stream_ = frame.stream;
    section_bytes_ = frame.length;
    continuations_ = 0;
  }
  if (opened_before(frame.stream)) {
    return Verdict::kAsk;
  }
  if (frame.stream > highest_) {
    if (frame.stream > highest_ + 2) {
      skipped_from_ = highest_ + 1;
      skipped_to_ = frame.stream - 1;
    }
    highest_ = frame.stream;
    idle_frames_.earn(kEarnedByRequest);
  }
  return Verdict::kPass;
}

// Anything else than a CONTINUATION of that stream is refused by nghttp2 (RFC 9113 §6.10).
Guard::Verdict Guard::on_continuation(const FrameHeader& frame) {
  if (frame.type != FrameType::kContinuation || frame.stream != section_stream_) {
    return Verdict::kPass;
  }
  section_bytes_ += frame.length;
  if (++continuations_ > kContinuationsMax || section_bytes_ > block_bytes_max_) {
    return Verdict::kFlood;
  }
  if ((frame.flags & kEndHeaders) != 0) {
    section_stream_ = 0;
  }
  return Verdict::kPass;
}

// Priorities of RFC 7540 are ignored (RFC 9113 §5.3.2), malformed ones are not.
Guard::Verdict Guard::on_priority(const FrameHeader& frame, uv::LoopTime now) {
  if (frame.stream == 0 || frame.subject == frame.stream) {
    return Verdict::kProtocolError;
  }
  return charge_idle(now);
}

// RFC 9113 §5.1.1: a stream identifier that was passed over is closed; HEADERS on it opens a stream
// out of order.
Guard::Verdict Guard::on_closed(const FrameHeader& frame, uv::LoopTime now) {
  if (frame.stream > ignored_above_ || was_reset(frame.stream)) {
    const bool in_bulk = frame.type == FrameType::kData && frame.length >= kBulkMin;
    return in_bulk ? Verdict::kPass : charge_idle(now);
  }
  const bool skipped = frame.stream >= skipped_from_ && frame.stream <= skipped_to_;
  return skipped ? Verdict::kProtocolError : Verdict::kStreamClosed;
}

void Guard::note_reset(std::uint32_t stream) {
  if (!was_reset(stream)) {
    recently_reset_[next_reset_] = stream;
    next_reset_ = (next_reset_ + 1) % recently_reset_.size();
  }
}

bool Guard::was_reset(std::uint32_t stream) const {
  return std::find(recently_reset_.begin(), recently_reset_.end(), stream) != recently_reset_.end();
}

}  // namespace usher::http::http2
