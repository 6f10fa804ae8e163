#include "proxy/http/http2_frames.h"

#include <algorithm>

namespace usher::http::http2 {
namespace {

constexpr std::uint32_t kStreamMask = 0x7fff'ffff;  // the highest bit is reserved

}  // namespace

FrameReader::Step FrameReader::next(ByteView bytes) {
  Step step;
  step.taken = std::min(skip_, bytes.size());
  skip_ -= step.taken;
  while (step.taken < bytes.size()) {
    header_[have_++] = bytes[step.taken++];
    ++step.of_header;
    if (have_ < header_wanted()) {
      continue;
    }
    frame_.length = number(0, 3);
    frame_.type = static_cast<FrameType>(header_[3]);
    frame_.flags = static_cast<std::uint8_t>(header_[4]);
    frame_.stream = number(5, 4) & kStreamMask;
    frame_.subject = have_ > kHeaderSize ? number(kHeaderSize, 4) & kStreamMask : 0;
    skip_ = frame_.length - (have_ - kHeaderSize);
    have_ = 0;
    step.frame = &frame_;
    return step;
  }
  return step;
}

std::size_t FrameReader::header_wanted() const {
  if (have_ < kHeaderSize) {
    return kHeaderSize;
  }
  const auto type = static_cast<FrameType>(header_[3]);
  const bool has_subject = type == FrameType::kPriority || type == FrameType::kPriorityUpdate;
  return has_subject && number(0, 3) >= kSubjectSize ? kHeaderSize + kSubjectSize : kHeaderSize;
}

std::uint32_t FrameReader::number(std::size_t at, std::size_t size) const {
  std::uint32_t value = 0;
  for (std::size_t i = at; i < at + size; ++i) {
    value = value << 8 | static_cast<std::uint32_t>(header_[i]);
  }
  return value;
}

}  // namespace usher::http::http2
