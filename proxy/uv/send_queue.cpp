#include "proxy/uv/send_queue.h"

namespace usher::uv {

IoResult SendQueue::send(Stream& sink, ByteView bytes, More more) {
  if (waiting()) {  // the socket is full: trying again would only cost a call
    queue(bytes);
    return {};
  }
  const IoResult result = sink.write(bytes, more);
  if (result.status == IoStatus::kFailed) {
    return result;
  }
  const ByteView rest = bytes.subspan(result.count);
  if (!rest.empty()) {
    pending_.reserve(rest.size());  // exactly: most often it is all that will ever wait
    queue(rest);
  }
  return result;
}

void SendQueue::queue(ByteView bytes) {
  pending_.append(bytes);
  note_size();
}

IoResult SendQueue::flush(Stream& sink) {
  const IoResult result = sink.write(pending_.view());
  pending_.consume(result.count);
  note_size();
  return result;
}

void SendQueue::clear() {
  pending_.clear();
  note_size();
}

void SendQueue::note_size() {
  if (pending_.empty()) {
    pending_.release();
    paused_ = false;
  } else if (pending_.size() > kBytesMax) {
    paused_ = true;
  } else if (pending_.size() < kBytesMax / 2) {
    paused_ = false;
  }
}

}  // namespace usher::uv
