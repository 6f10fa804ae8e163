#pragma once

#include <cstddef>

#include "proxy/base/byte_queue.h"
#include "proxy/uv/stream.h"

namespace usher::uv {

// What a socket has not taken yet, and how much more its source may bring. At most one write per
// call; owns no memory while nothing waits. Thread: the loop's. Owner: whoever sends.
class SendQueue {
 public:
  // Above this many waiting bytes the source is not read, below half it is again. Half a receive
  // buffer: what is allowed to wait together with one more read is at most one buffer, 256 KiB.
  static constexpr std::size_t kBytesMax = 128 * 1024;

  // The most bytes to bring now; 0 while too many wait. Never a few bytes: reads of the source stay
  // large under back-pressure.
  std::size_t room() const {
    return paused_ || pending_.size() > 2 * kBytesMax ? 0 : 2 * kBytesMax - pending_.size();
  }

  // Sends, or, while something waits already, queues behind it.
  IoResult send(Stream& sink, ByteView bytes, More more = More::kNo);
  // The same without trying the socket.
  void queue(ByteView bytes);
  // The socket is writable: sends what waits.
  IoResult flush(Stream& sink);
  void clear();

  bool waiting() const { return !pending_.empty(); }
  std::size_t waiting_bytes() const { return pending_.size(); }
  // For TLS output, which is appended in place; flush() follows.
  ByteQueue& pending() { return pending_; }

 private:
  void note_size();

  ByteQueue pending_;
  bool paused_ = false;
};

}  // namespace usher::uv
