#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "proxy/http/http2_frames.h"
#include "proxy/http/http2_limits.h"
#include "proxy/uv/loop.h"

namespace usher::http::http2 {

// Judges a client's frames before nghttp2 sees them: what costs without bringing anything forward
// (token buckets), heads that never end, and the few rules of RFC 9113 that nghttp2 does not
// enforce because it forgets closed streams. Pure. Thread: one. Owner: an Http2Connection.
class Guard {
 public:
  enum class Verdict : std::uint8_t {
    kPass,
    kAsk,            // of an earlier stream: kPass if it is still open, else on_closed()
    kFlood,          // connection error ENHANCE_YOUR_CALM
    kProtocolError,  // connection error PROTOCOL_ERROR
    kStreamClosed,   // connection error STREAM_CLOSED
  };

  // block_bytes_max: of one encoded field section.
  Guard(std::size_t block_bytes_max, uv::LoopTime now);

  Verdict on_frame(const FrameHeader& frame, uv::LoopTime now);
  // A DATA or HEADERS frame (kAsk) whose stream is no longer open, or never was.
  Verdict on_closed(const FrameHeader& frame, uv::LoopTime now);

  // We reset the stream: what the client sent before it knew is ignored.
  void note_reset(std::uint32_t stream);
  // A stream error that the client caused; false: too many.
  bool charge_error(uv::LoopTime now) { return resets_.take(now); }
  // Content of a DATA frame moved, in either direction.
  void note_data(std::size_t bytes) {
    idle_frames_.earn(kEarnedByData + static_cast<std::uint32_t>(bytes / kBytesEarningOne));
  }
  bool charge_empty_data(uv::LoopTime now) { return idle_frames_.take(now); }
  // After the last GOAWAY: streams above `last` are ignored.
  void ignore_above(std::uint32_t last) { ignored_above_ = last; }

  // Between a HEADERS frame and the end of its field section.
  bool in_field_section() const { return section_stream_ != 0; }

 private:
  Verdict on_headers(const FrameHeader& frame);
  Verdict on_continuation(const FrameHeader& frame);
  Verdict on_priority(const FrameHeader& frame, uv::LoopTime now);
  Verdict charge_idle(uv::LoopTime now) {
    return idle_frames_.take(now) ? Verdict::kPass : Verdict::kFlood;
  }
  bool opened_before(std::uint32_t stream) const { return stream % 2 == 1 && stream <= highest_; }
  bool was_reset(std::uint32_t stream) const;

  // What is in flight when we reset comes within a round trip; in that no more streams than are
  // open now and those opened in their place can be reset.
  static constexpr std::size_t kResetsRemembered = 2 * kConcurrentStreams;

  std::size_t block_bytes_max_;
  TokenBucket resets_;
  TokenBucket idle_frames_;
  std::uint32_t highest_ = 0;         // stream that the client has opened
  std::uint32_t skipped_from_ = 0;    // the latest gap in the client's stream identifiers
  std::uint32_t skipped_to_ = 0;      // (inclusive; 0: none)
  std::uint32_t section_stream_ = 0;  // whose field section is not complete; 0: none
  std::size_t section_bytes_ = 0;
  std::uint32_t continuations_ = 0;
  std::uint32_t ignored_above_ = 0xffff'ffff;
  std::size_t next_reset_ = 0;
  std::array<std::uint32_t, kResetsRemembered> recently_reset_{};
};

}  // namespace usher::http::http2
