#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "proxy/uv/loop.h"

namespace usher::http::http2 {

// What one HTTP/2 connection may hold and cost. A worker's worst case per connection is the content
// of requests that waits for backends (kConnectionWindow) and of responses that waits for the
// client (kResponsesMax + kResponseMax + kConcurrentStreams × kResponseShare: 1.4 MiB, reached only
// by a client that opens no window).

// RFC 9113 §6.5.2 recommends at least 100; browsers use about as many at once.
inline constexpr std::uint32_t kConcurrentStreams = 128;
// Content the client may send ahead of its backend: 40 Mbit/s per stream at 50 ms, four times what
// HAProxy grants; all streams together four of them, so that one stalled upload does not stop the
// others.
inline constexpr std::int32_t kStreamWindow = 256 * 1024;
inline constexpr std::int32_t kConnectionWindow = 1024 * 1024;
// Content of a response that waits for its stream's window or turn. Its backend is not read above
// half of it, and again below a quarter.
inline constexpr std::size_t kResponseMax = 128 * 1024;
// Where all streams together hold more than this, each has kResponseShare instead of kResponseMax:
// as little as keeps those going whose windows are open while others' are closed.
inline constexpr std::size_t kResponsesMax = 256 * 1024;
inline constexpr std::size_t kResponseShare = 8 * 1024;
// With the frame's header that is one TLS record.
inline constexpr std::size_t kFrameContent = 16 * 1024 - 9;
// Gathered before it is handed on: four records, as DESIGN §4 measured.
inline constexpr std::size_t kGatherMax = 64 * 1024;
// Plaintext taken at once.
inline constexpr std::size_t kReadMax = 64 * 1024;

// Streams that a client may reset, or make us reset, beyond what time gives back (rapid reset,
// CVE-2023-44487; "MadeYouReset", CVE-2025-8671). A browser that leaves a page resets all of its
// streams at once: twice kConcurrentStreams.
inline constexpr std::uint32_t kResetsBurst = 2 * kConcurrentStreams;
inline constexpr std::uint32_t kResetsPerSecond = 100;
// Frames that bring nothing forward: SETTINGS, PING, PRIORITY, WINDOW_UPDATE, unknown types, empty
// DATA. Requests and content earn some of them.
inline constexpr std::uint32_t kIdleFramesBurst = 1'000;
inline constexpr std::uint32_t kIdleFramesPerSecond = 100;
inline constexpr std::uint32_t kEarnedByRequest = 8;
// A client may answer each DATA frame with a WINDOW_UPDATE for the stream and one for the
// connection; those that a small window cuts small earn nothing themselves, so others earn for
// them.
inline constexpr std::uint32_t kEarnedByData = 2;
inline constexpr std::size_t kBytesEarningOne = 1024;
// Fields that fill more CONTINUATION frames than this are meant to (CVE-2024-27316): the largest
// head that a configuration allows has four of 16 KiB.
inline constexpr std::uint32_t kContinuationsMax = 32;
// A response may be whole before its request is. The client may come to its end by itself within
// this time and content: many take a reset, also one with NO_ERROR, for a failure, and until then
// its errors on the stream are still told.
inline constexpr std::chrono::milliseconds kRestTimeout(5'000);
inline constexpr std::size_t kRestMax = kStreamWindow;  // what may be on its way already
// Less content than this does not count as movement while the client holds its window closed.
inline constexpr std::size_t kMovementMin = 4 * 1024;

// Tokens that time gives back, up to `burst`. Pure. Thread: one.
class TokenBucket {
 public:
  TokenBucket(std::uint32_t burst, std::uint32_t per_second, uv::LoopTime now)
      : full_(burst * kScale), per_second_(per_second), tokens_(full_), filled_at_(now) {}

  bool take(uv::LoopTime now) {
    if (now > filled_at_) {
      give((now - filled_at_).count() * per_second_);
      filled_at_ = now;
    }
    if (tokens_ < kScale) {
      return false;
    }
    tokens_ -= kScale;
    return true;
  }
  void earn(std::uint32_t count) { give(count * kScale); }

 private:
  static constexpr std::int64_t kScale = 1'000;  // a token is 1000 times a millisecond per second

  void give(std::int64_t scaled) { tokens_ = std::min(full_, tokens_ + scaled); }

  std::int64_t full_;
  std::int64_t per_second_;
  std::int64_t tokens_;
  uv::LoopTime filled_at_;
};

}  // namespace usher::http::http2
