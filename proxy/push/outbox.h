#pragma once

#include <cstddef>
#include <deque>

#include "proxy/base/bytes.h"
#include "proxy/push/frames.h"

namespace usher::push {

// Encoded frames that wait to be sent, in wiped memory. Of RINGs that nobody has begun to send only
// the newest waits, in the oldest's place. Thread: one. Owner: a channel, which bounds size().
class Outbox {
 public:
  void push(const Frame& frame);
  bool empty() const { return waiting_.empty(); }
  std::size_t size() const { return bytes_; }

  // The rest of the oldest frame, which now counts as begun; the box must not be empty.
  ByteView front();
  void sent(std::size_t count);  // at most the front's size
  void clear();

 private:
  struct Waiting {
    SecretBuffer bytes;
    std::size_t sent = 0;
    bool ring = false;
    bool begun = false;
  };

  std::deque<Waiting> waiting_;
  std::size_t bytes_ = 0;
};

}  // namespace usher::push
