#pragma once

#include <cstdint>

#include "proxy/base/byte_queue.h"
#include "proxy/uv/send_queue.h"
#include "proxy/uv/stream.h"

namespace usher::relay {

// One direction of a connection: what the sink has not taken yet, whether the source may be read,
// and how far the end has come. Thread: the worker's. Owner: a Connection.
class Flow {
 public:
  static constexpr std::size_t kBytesMax = uv::SendQueue::kBytesMax;

  // The most bytes to read from the source now; 0 while it must not be read. A broken flow reads
  // on, to drop what comes.
  std::size_t room() const;

  // Source's side: the source has ended cleanly; what waits is still sent.
  void end();
  // Sends, or, while something waits already, queues behind it. kFailed breaks the flow.
  uv::IoResult send(uv::Stream& sink, ByteView bytes, uv::More more = uv::More::kNo);
  // The same without trying the socket.
  void queue(ByteView bytes);
  // The socket is writable: sends what waits.
  uv::IoResult flush(uv::Stream& sink);
  // The sink is gone: nothing is sent or kept any more.
  void break_off();

  bool waiting() const { return queue_.waiting(); }
  std::size_t waiting_bytes() const { return queue_.waiting_bytes(); }
  // For TLS output, which is appended in place.
  ByteQueue& pending() { return queue_.pending(); }

  bool open() const { return state_ == State::kOpen; }
  bool broken() const { return state_ == State::kBroken; }
  // All was sent and only the end is left to say; finished() notes that it was said.
  bool at_end() const { return state_ == State::kEnding && !waiting(); }
  void finished() { state_ = State::kEnded; }
  bool ended_cleanly() const { return state_ == State::kEnded; }
  bool source_ended() const { return state_ == State::kEnding || state_ == State::kEnded; }
  bool over() const { return state_ == State::kEnded || state_ == State::kBroken; }

  std::uint64_t plain_bytes = 0;  // for log and metrics; the owner's to count

 private:
  enum class State : std::uint8_t { kOpen, kEnding, kEnded, kBroken };

  uv::SendQueue queue_;
  State state_ = State::kOpen;
};

}  // namespace usher::relay
