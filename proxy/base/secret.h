#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "proxy/base/check.h"

namespace usher {

// Memory for key bytes: locked, kept out of core dumps and of forked children, wiped when freed.
// Not OpenSSL's secure heap: that would take OpenSSL's own keys too, under one global lock (DESIGN
// §5). Thread: any; one mutex, taken only when secrets are made or destroyed.
namespace secret_arena {

std::byte* allocate(std::size_t size);  // zeroed; never null (out of memory ends the process)
void free(std::byte* memory, std::size_t size);
bool locked();  // false once an mlock has failed (RLIMIT_MEMLOCK): the caller warns, work goes on

}  // namespace secret_arena

// Wipes memory that held key bytes outside the arena (a frame, a stack buffer).
void wipe(std::span<std::byte> bytes);

// Key bytes of a run-time size (a PEM file, a frame). Move-only; wiped at the end.
class SecretBuffer {
 public:
  SecretBuffer() = default;
  explicit SecretBuffer(std::size_t size)
      : data_(size == 0 ? nullptr : secret_arena::allocate(size)), size_(size) {}
  SecretBuffer(SecretBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  SecretBuffer& operator=(SecretBuffer&& other) noexcept {
    SecretBuffer taken(std::move(other));  // wipes what was here now, not when `other` dies
    std::swap(data_, taken.data_);
    std::swap(size_, taken.size_);
    return *this;
  }
  SecretBuffer(const SecretBuffer&) = delete;
  SecretBuffer& operator=(const SecretBuffer&) = delete;
  ~SecretBuffer() {
    if (data_ != nullptr) {
      secret_arena::free(data_, size_);
    }
  }

  std::span<std::byte> bytes() { return {data_, size_}; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::size_t size() const { return size_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// N key bytes. The only home of key material: move-only, no conversion to text.
template <std::size_t N>
class Secret {
 public:
  Secret() : buffer_(N) {}

  static Secret copy_of(std::span<const std::byte, N> bytes) {
    Secret secret;
    for (std::size_t i = 0; i < N; ++i) {
      secret.bytes()[i] = bytes[i];
    }
    return secret;
  }

  // A moved-from Secret has no bytes; asking for them is a programming error.
  std::span<std::byte, N> bytes() {
    CHECK(buffer_.size() == N);
    return buffer_.bytes().template first<N>();
  }
  std::span<const std::byte, N> bytes() const {
    CHECK(buffer_.size() == N);
    return buffer_.bytes().template first<N>();
  }

 private:
  SecretBuffer buffer_;
};

}  // namespace usher
