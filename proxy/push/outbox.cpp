#include "proxy/push/outbox.h"

#include <algorithm>
#include <utility>

#include "proxy/base/check.h"

namespace usher::push {

void Outbox::push(const Frame& frame) {
  Waiting added{encode(frame), 0, std::holds_alternative<Ring>(frame), false};
  bytes_ += added.bytes.size();
  if (added.ring) {
    const auto older = std::ranges::find_if(
        waiting_, [](const Waiting& waiting) { return waiting.ring && !waiting.begun; });
    if (older != waiting_.end()) {
      bytes_ -= older->bytes.size();
      *older = std::move(added);
      return;
    }
  }
  waiting_.push_back(std::move(added));
}

ByteView Outbox::front() {
  Waiting& oldest = waiting_.front();
  oldest.begun = true;
  return std::as_const(oldest.bytes).bytes().subspan(oldest.sent);
}

void Outbox::sent(std::size_t count) {
  Waiting& oldest = waiting_.front();
  CHECK(count <= oldest.bytes.size() - oldest.sent);
  oldest.sent += count;
  bytes_ -= count;
  if (oldest.sent == oldest.bytes.size()) {
    waiting_.pop_front();
  }
}

void Outbox::clear() {
  waiting_.clear();
  bytes_ = 0;
}

}  // namespace usher::push
