#pragma once

#include <chrono>

struct uv_timer_s;

namespace usher::uv {

class Loop;

// A one-shot timer; starting it again moves it. Repeat by starting it in its own callback.
// Thread: the loop's. Owner: whoever waits; no callback after stop() or destruction.
class Timer {
 public:
  Timer() = default;
  ~Timer() { close(); }
  Timer(Timer&&) = delete;

  template <auto Method, class Owner>
  void open(Loop& loop, Owner& owner) {
    open_raw(loop, &owner, [](void* target) { (static_cast<Owner*>(target)->*Method)(); });
  }

  void start(std::chrono::milliseconds delay);  // counted from the loop's cached time
  void stop();
  bool active() const;
  void close();  // idempotent

 private:
  using Call = void (*)(void* owner);
  void open_raw(Loop& loop, void* owner, Call call);

  uv_timer_s* handle_ = nullptr;
  void* owner_ = nullptr;
  Call call_ = nullptr;
};

}  // namespace usher::uv
