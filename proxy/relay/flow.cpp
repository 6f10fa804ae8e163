#include "proxy/relay/flow.h"

namespace usher::relay {

std::size_t Flow::room() const {
  switch (state_) {
    case State::kOpen:
      return queue_.room();
    case State::kBroken:
      return 2 * kBytesMax;
    case State::kEnding:
    case State::kEnded:
      break;
  }
  return 0;
}

void Flow::end() {
  if (state_ == State::kOpen) {
    state_ = State::kEnding;
  }
}

uv::IoResult Flow::send(uv::Stream& sink, ByteView bytes, uv::More more) {
  if (state_ == State::kBroken) {
    return {};
  }
  const uv::IoResult result = queue_.send(sink, bytes, more);
  if (result.status == uv::IoStatus::kFailed) {
    break_off();
  }
  return result;
}

uv::IoResult Flow::flush(uv::Stream& sink) {
  const uv::IoResult result = queue_.flush(sink);
  if (result.status == uv::IoStatus::kFailed) {
    break_off();
  }
  return result;
}

void Flow::break_off() {
  state_ = State::kBroken;
  queue_.clear();
}

void Flow::queue(ByteView bytes) {
  if (state_ != State::kBroken) {
    queue_.queue(bytes);
  }
}

}  // namespace usher::relay
