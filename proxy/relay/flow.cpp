#include "proxy/relay/flow.h"

namespace usher::relay {

std::size_t Flow::room() const {
  switch (state_) {
    case State::kOpen:
      return paused_ ? 0 : 2 * kBytesMax - pending_.size();
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
  if (waiting()) {  // the socket is full: trying again would only cost a call
    queue(bytes);
    return {};
  }
  if (state_ == State::kBroken || bytes.empty()) {
    return {};
  }
  const uv::IoResult result = sink.write(bytes, more);
  if (result.status == uv::IoStatus::kFailed) {
    break_off();
    return result;
  }
  const ByteView rest = bytes.subspan(result.count);
  if (!rest.empty()) {
    pending_.reserve(rest.size());  // exactly: most often it is all that will ever wait
    queue(rest);
  }
  return result;
}

uv::IoResult Flow::flush(uv::Stream& sink) {
  const uv::IoResult result = sink.write(pending_.view());
  if (result.status == uv::IoStatus::kFailed) {
    break_off();
    return result;
  }
  pending_.consume(result.count);
  note_size();
  return result;
}

void Flow::break_off() {
  state_ = State::kBroken;
  pending_.clear();
  note_size();
}

void Flow::queue(ByteView bytes) {
  if (state_ == State::kBroken) {
    return;
  }
  pending_.append(bytes);
  note_size();
}

void Flow::note_size() {
  if (pending_.empty()) {
    pending_.release();
    paused_ = false;
  } else if (pending_.size() > kBytesMax) {
    paused_ = true;
  } else if (pending_.size() < kBytesMax / 2) {
    paused_ = false;
  }
}

}  // namespace usher::relay
