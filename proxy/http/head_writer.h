#pragma once

#include <array>
#include <charconv>
#include <cstring>
#include <string_view>

#include "proxy/base/byte_queue.h"

namespace usher::http {

// Writes the pieces of a head straight into a queue's memory. `expected` bytes are made room for at
// once; more costs another look for room. Thread: one. Owner: the function that writes the head.
class HeadWriter {
 public:
  HeadWriter(ByteQueue& to, std::size_t expected) : to_(to) { open(expected); }
  ~HeadWriter() { to_.written(used()); }
  HeadWriter(const HeadWriter&) = delete;

  void put(std::string_view text) {
    make_room(text.size());
    copy(text);
  }

  void put(std::uint64_t number) {
    std::array<char, 20> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    put(std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data())));
  }

  // One look for room: most of a head is such lines.
  void field(std::string_view name, std::string_view value) {
    make_room(name.size() + value.size() + 4);
    copy(name);
    copy(": ");
    copy(value);
    copy("\r\n");
  }

  void field(std::string_view name, std::uint64_t value) {
    put(name);
    put(": ");
    put(value);
    put("\r\n");
  }

 private:
  static constexpr std::size_t kStep = 512;

  std::size_t used() const { return static_cast<std::size_t>(at_ - start_); }

  void make_room(std::size_t count) {
    if (static_cast<std::size_t>(end_ - at_) < count) {
      to_.written(used());
      open(count + kStep);
    }
  }

  void copy(std::string_view text) {
    if (!text.empty()) {
      std::memcpy(at_, text.data(), text.size());
      at_ += text.size();
    }
  }

  void open(std::size_t count) {
    start_ = at_ = to_.room_for(count);
    end_ = start_ + count;
  }

  ByteQueue& to_;
  std::byte* start_ = nullptr;
  std::byte* at_ = nullptr;
  std::byte* end_ = nullptr;
};

}  // namespace usher::http
