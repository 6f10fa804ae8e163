#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "proxy/base/check.h"

namespace usher {

// The latest immutable state (never null) from one writer to many threads. Reading costs one
// acquire load while nothing changed; the mutex is taken only when the generation did. No
// atomic<shared_ptr>: GCC 12's trips TSan (DESIGN §3).
// Thread: publish from one thread; one Reader per reading thread.
// Owner: whoever publishes; outlives its Readers.
template <class T>
class Snapshot {
 public:
  explicit Snapshot(std::shared_ptr<const T> initial) : value_(std::move(initial)) {
    CHECK(value_ != nullptr);
  }
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  void publish(std::shared_ptr<const T> value) {
    CHECK(value != nullptr);
    std::lock_guard lock(mutex_);
    value_.swap(value);  // the old state, if nobody else holds it, dies after the lock
    generation_.fetch_add(1, std::memory_order_release);
  }

  std::shared_ptr<const T> latest() const {
    std::lock_guard lock(mutex_);
    return value_;
  }

  class Reader {
   public:
    explicit Reader(const Snapshot& source) : source_(source) {}

    // Valid until the next call of current() or refresh() on this Reader.
    const T& current() {
      if (seen_ != source_.generation_.load(std::memory_order_acquire)) {
        refresh();
      }
      return *held_;
    }

    // The same with shared ownership, for users that keep it over several turns.
    const std::shared_ptr<const T>& current_shared() {
      (void)current();
      return held_;
    }

   private:
    void refresh() {
      std::shared_ptr<const T> before = std::move(held_);  // dies after the lock
      std::lock_guard lock(source_.mutex_);
      held_ = source_.value_;
      seen_ = source_.generation_.load(std::memory_order_relaxed);
    }

    const Snapshot& source_;
    std::shared_ptr<const T> held_;
    std::uint64_t seen_ = 0;
  };

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const T> value_;
  std::atomic<std::uint64_t> generation_{1};
};

}  // namespace usher
