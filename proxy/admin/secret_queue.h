#pragma once

#include <cstddef>
#include <span>

#include "proxy/base/bytes.h"
#include "proxy/base/secret.h"

namespace usher::admin {

// What came from an operator and was not looked at yet: contiguous, first in, first out, in memory
// for key bytes, because the body of a request may be a key file. Consumed bytes are wiped, so are
// those that are given up. Grows by doubling; the caller bounds it. Thread: one. Owner: one
// connection.
class SecretQueue {
 public:
  bool empty() const { return head_ == tail_; }
  std::size_t size() const { return tail_ - head_; }
  ByteView view() const { return memory_.bytes().subspan(head_, size()); }

  // Where the next bytes may be written (≥ 1 KiB), and how many were. The span is valid until the
  // next call of a non-const member.
  std::span<std::byte> room();
  void added(std::size_t count);
  void append(ByteView bytes);  // both, for bytes that lie elsewhere

  void consume(std::size_t count);
  // Drops what is left and gives the memory back: idle connections pay nothing.
  void release();

 private:
  SecretBuffer memory_;
  std::size_t head_ = 0;
  std::size_t tail_ = 0;
};

}  // namespace usher::admin
