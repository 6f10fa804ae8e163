#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <utility>

#include "proxy/base/bytes.h"
#include "proxy/base/check.h"

namespace usher {

// Contiguous first-in-first-out bytes: appended at the back, consumed at the front. Grows by
// doubling; the caller bounds it. An empty queue that was released owns no memory, so idle
// connections pay nothing. Thread: one. Owner: one connection or one worker.
class ByteQueue {
 public:
  ByteQueue() = default;
  explicit ByteQueue(std::size_t capacity) { reserve(capacity); }
  // Moving leaves an empty queue without memory behind.
  ByteQueue(ByteQueue&& other) noexcept { swap(other); }
  ByteQueue& operator=(ByteQueue&& other) noexcept {
    ByteQueue taken(std::move(other));
    swap(taken);
    return *this;
  }

  bool empty() const { return head_ == tail_; }
  std::size_t size() const { return tail_ - head_; }
  ByteView view() const { return {memory_.get() + head_, size()}; }

  // `bytes` must not be part of this queue.
  void append(ByteView bytes) {
    if (bytes.empty()) {
      return;
    }
    make_room(bytes.size());
    std::memcpy(memory_.get() + tail_, bytes.data(), bytes.size());
    tail_ += bytes.size();
  }

  // Room for `count` bytes behind the last: written by the caller, then counted by written().
  std::byte* room_for(std::size_t count) {
    make_room(count);
    return memory_.get() + tail_;
  }
  void written(std::size_t count) {
    CHECK(count <= capacity_ - tail_);
    tail_ += count;
  }

  void consume(std::size_t count) {
    CHECK(count <= size());
    head_ += count;
    if (head_ == tail_) {
      head_ = tail_ = 0;
    }
  }

  void clear() { head_ = tail_ = 0; }

  // Gives the memory back; only for an empty queue.
  void release() {
    CHECK(empty());
    memory_.reset();
    head_ = tail_ = capacity_ = 0;
  }

  void reserve(std::size_t capacity) {
    if (capacity > capacity_) {
      move_to(capacity);
    }
  }

 private:
  void swap(ByteQueue& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(head_, other.head_);
    std::swap(tail_, other.tail_);
    std::swap(capacity_, other.capacity_);
  }

  void make_room(std::size_t count) {
    if (capacity_ - tail_ >= count) {
      return;
    }
    if (capacity_ - size() >= count) {
      std::memmove(memory_.get(), memory_.get() + head_, size());
      tail_ -= head_;
      head_ = 0;
      return;
    }
    std::size_t wanted = capacity_ == 0 ? 512 : capacity_ * 2;
    while (wanted - size() < count) {
      wanted *= 2;
    }
    move_to(wanted);
  }

  void move_to(std::size_t capacity) {
    std::unique_ptr<std::byte[]> bigger(new std::byte[capacity]);
    if (!empty()) {
      std::memcpy(bigger.get(), memory_.get() + head_, size());
    }
    tail_ -= head_;
    head_ = 0;
    memory_ = std::move(bigger);
    capacity_ = capacity;
  }

  std::unique_ptr<std::byte[]> memory_;
  std::size_t head_ = 0;
  std::size_t tail_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace usher
