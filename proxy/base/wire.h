#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

#include "proxy/base/bytes.h"
#include "proxy/base/check.h"

// Binary formats: big-endian numbers and bytes, one after another. Thread: one.
namespace usher {

// Into a buffer of exactly the size of all that is written.
class WireWriter {
 public:
  explicit WireWriter(std::span<std::byte> into) : rest_(into) {}

  template <std::unsigned_integral Number>
  void number(Number value) {
    CHECK(sizeof value <= rest_.size());
    for (std::size_t i = 0; i < sizeof value; ++i) {
      rest_[i] = static_cast<std::byte>(value >> (8 * (sizeof value - 1 - i)));
    }
    rest_ = rest_.subspan(sizeof value);
  }
  void bytes(ByteView value) {
    CHECK(value.size() <= rest_.size());
    std::ranges::copy(value, rest_.begin());
    rest_ = rest_.subspan(value.size());
  }
  bool full() const { return rest_.empty(); }

 private:
  std::span<std::byte> rest_;
};

// Reads what is there; behind the end numbers are zero, bytes are none, and it is sound no more.
class WireReader {
 public:
  explicit WireReader(ByteView from) : rest_(from) {}

  template <std::unsigned_integral Number>
  Number number() {
    Number value = 0;
    for (const std::byte byte : bytes(sizeof value)) {
      value = static_cast<Number>(value << 8 | std::to_integer<Number>(byte));
    }
    return value;
  }
  ByteView bytes(std::size_t count) {
    sound_ = sound_ && count <= rest_.size();
    const ByteView taken = rest_.first(sound_ ? count : 0);
    rest_ = rest_.subspan(taken.size());
    return taken;
  }
  void bytes(std::span<std::byte> into) { std::ranges::copy(bytes(into.size()), into.begin()); }
  ByteView rest() { return bytes(rest_.size()); }
  bool sound() const { return sound_; }
  bool empty() const { return rest_.empty(); }

 private:
  ByteView rest_;
  bool sound_ = true;
};

}  // namespace usher
