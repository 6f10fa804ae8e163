#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "proxy/base/bytes.h"

namespace usher::http::http2 {

// RFC 9113 §4.1, §6; RFC 9218 §7.1.
enum class FrameType : std::uint8_t {
  kData = 0x0,
  kHeaders = 0x1,
  kPriority = 0x2,
  kRstStream = 0x3,
  kSettings = 0x4,
  kPushPromise = 0x5,
  kPing = 0x6,
  kGoaway = 0x7,
  kWindowUpdate = 0x8,
  kContinuation = 0x9,
  kPriorityUpdate = 0x10,
};
inline constexpr std::uint8_t kEndStream = 0x1;
inline constexpr std::uint8_t kEndHeaders = 0x4;

struct FrameHeader {
  std::uint32_t length = 0;
  FrameType type = FrameType::kData;  // may have any value
  std::uint8_t flags = 0;
  std::uint32_t stream = 0;
  // The stream identifier that begins a payload: of PRIORITY (what it depends on), PRIORITY_UPDATE
  // (what it is about); 0 in others, and where the payload is shorter.
  std::uint32_t subject = 0;
};

// Finds the frames in what a client sends, from its first byte, without looking into them: what
// comes before nghttp2 and does not trust it to count. Pure. Thread: one.
class FrameReader {
 public:
  struct Step {
    std::size_t taken = 0;               // up to the end of the frame's header, or all
    std::size_t of_header = 0;           // bytes of it that belong to that header
    const FrameHeader* frame = nullptr;  // until the next call; null: more bytes are needed
  };
  Step next(ByteView bytes);

  // The last frame that next() gave is HEADERS or CONTINUATION and has not come to its end.
  bool inside_headers() const {
    return skip_ > 0 &&
           (frame_.type == FrameType::kHeaders || frame_.type == FrameType::kContinuation);
  }

 private:
  static constexpr std::size_t kHeaderSize = 9;
  static constexpr std::size_t kSubjectSize = 4;
  static constexpr std::size_t kPrefaceSize = 24;  // RFC 9113 §3.4

  std::size_t header_wanted() const;
  std::uint32_t number(std::size_t at, std::size_t size) const;

  std::array<std::byte, kHeaderSize + kSubjectSize> header_{};
  std::size_t have_ = 0;  // of header_
  std::size_t skip_ = kPrefaceSize;
  FrameHeader frame_;
};

}  // namespace usher::http::http2
