#pragma once

#include <cstdint>

#include "proxy/base/unique_fd.h"

namespace usher::uv {

class Loop;
class Poller;

struct Ready {
  bool readable = false;
  bool writable = false;
  // POLLERR (a reset, a refused connect): ask the socket (SO_ERROR). What arrived before can still
  // be read. Nothing is watched any more until watch() is called again.
  bool failed = false;
  // With `failed`: the descriptor is fine, but the kernel refused to watch it (ENOMEM, ENOSPC:
  // fs.epoll.max_user_watches, or nothing that can be waited for). Trying again at once is vain.
  bool unwatchable = false;
};

// Readiness of one descriptor, level-triggered. The descriptor is the caller's and must stay open
// until close(). No callback runs after close() or inside watch().
// Thread: the loop's. Owner: a connection, listener or client.
class Poll {
 public:
  static constexpr std::uint8_t kRead = 1;
  static constexpr std::uint8_t kWrite = 2;
  static constexpr std::uint8_t kFailure = 4;

  Poll() = default;
  ~Poll() { close(); }
  Poll(Poll&& other) = delete;

  // Calls (owner.*Method)(Ready) for as long as this is open; `owner` must outlive that.
  // False for no descriptor (−1); one that cannot be waited for is reported as failed once watched.
  template <auto Method, class Owner>
  bool open(Loop& loop, int fd, Owner& owner) {
    return open_raw(loop, fd, &owner, [](void* target, Ready ready) {
      (static_cast<Owner*>(target)->*Method)(ready);
    });
  }

  // What to wait for from the next turn on; nothing at all is allowed. Repeating the same is free.
  // `failures`: a reset is reported although neither of the others is wanted.
  void watch(bool readable, bool writable, bool failures = false);
  void close();                   // idempotent; the descriptor may live on
  void close_with(UniqueFd& fd);  // closes the descriptor too, for one system call less
  bool is_open() const { return poller_ != nullptr; }

 private:
  friend class Poller;
  using Call = void (*)(void* owner, Ready ready);

  bool open_raw(Loop& loop, int fd, void* owner, Call call);
  void forget();

  Poller* poller_ = nullptr;
  void* owner_ = nullptr;
  Call call_ = nullptr;
  int fd_ = -1;
  std::uint32_t slot_ = 0;
  std::uint8_t wanted_ = 0;
  std::uint8_t registered_ = 0;  // what the kernel knows
  bool change_pending_ = false;
};

}  // namespace usher::uv
