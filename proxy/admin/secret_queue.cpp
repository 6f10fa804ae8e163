#include "proxy/admin/secret_queue.h"

#include <algorithm>
#include <utility>

#include "proxy/base/check.h"

namespace usher::admin {
namespace {

constexpr std::size_t kFirstSize = 2048;  // most requests; the arena's largest slot
constexpr std::size_t kRoomMin = 1024;

}  // namespace

std::span<std::byte> SecretQueue::room() {
  if (memory_.size() - tail_ < kRoomMin) {
    SecretBuffer bigger(std::max(kFirstSize, 2 * (size() + kRoomMin)));
    std::ranges::copy(view(), bigger.bytes().begin());
    tail_ = size();
    head_ = 0;
    memory_ = std::move(bigger);
  }
  return memory_.bytes().subspan(tail_);
}

void SecretQueue::added(std::size_t count) {
  CHECK(count <= memory_.size() - tail_);
  tail_ += count;
}

void SecretQueue::append(ByteView bytes) {
  while (!bytes.empty()) {
    const std::span<std::byte> free = room();
    const std::size_t count = std::min(free.size(), bytes.size());
    std::ranges::copy(bytes.first(count), free.begin());
    added(count);
    bytes = bytes.subspan(count);
  }
}

void SecretQueue::consume(std::size_t count) {
  CHECK(count <= size());
  wipe(memory_.bytes().subspan(head_, count));
  head_ += count;
  if (head_ == tail_) {
    head_ = tail_ = 0;
  }
}

void SecretQueue::release() {
  memory_ = SecretBuffer();
  head_ = tail_ = 0;
}

}  // namespace usher::admin
