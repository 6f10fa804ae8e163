#pragma once

#include <cstdint>

struct uv_poll_s;

namespace usher::uv {

class Loop;

struct Ready {
  bool readable = false;
  bool writable = false;
  // POLLERR (a reset, a refused connect): ask the socket (SO_ERROR). What arrived before can still
  // be read. Nothing is watched any more until watch() is called again.
  bool failed = false;
};

// Readiness of one descriptor, level-triggered. The descriptor is the caller's and must stay open
// until close(); afterwards it may be closed at once. No callback runs after close() or inside
// watch(). Thread: the loop's. Owner: a connection, listener or client; the handle's own memory
// outlives this object until libuv's close callback.
class Poll {
 public:
  Poll() = default;
  ~Poll() { close(); }
  Poll(Poll&& other) = delete;

  // Calls (owner.*Method)(Ready) for as long as this is open; `owner` must outlive that.
  // False when libuv refuses the descriptor (out of memory, not pollable).
  template <auto Method, class Owner>
  bool open(Loop& loop, int fd, Owner& owner) {
    return open_raw(loop, fd, &owner, [](void* target, Ready ready) {
      (static_cast<Owner*>(target)->*Method)(ready);
    });
  }

  // What to wait for from now on; nothing at all is allowed. Repeating the same is free.
  void watch(bool readable, bool writable);
  void close();  // idempotent
  bool is_open() const { return handle_ != nullptr; }

 private:
  using Call = void (*)(void* owner, Ready ready);
  bool open_raw(Loop& loop, int fd, void* owner, Call call);

  uv_poll_s* handle_ = nullptr;
  void* owner_ = nullptr;
  Call call_ = nullptr;
  std::uint8_t watched_ = 0;
};

}  // namespace usher::uv
