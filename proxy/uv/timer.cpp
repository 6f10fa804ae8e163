#include "proxy/uv/timer.h"

#include <algorithm>

#include "proxy/uv/handle.h"

namespace usher::uv {

void Timer::open_raw(Loop& loop, void* owner, Call call) {
  CHECK(handle_ == nullptr);
  loop.assert_thread();
  handle_ = Handle<uv_timer_t>::make();
  CHECK(uv_timer_init(loop.raw(), handle_) == 0);
  handle_->data = this;
  owner_ = owner;
  call_ = call;
}

void Timer::start(std::chrono::milliseconds delay) {
  CHECK(handle_ != nullptr);
  const auto ticks = static_cast<std::uint64_t>(std::max<std::int64_t>(0, delay.count()));
  uv_timer_start(
      handle_,
      [](uv_timer_t* handle) {
        if (Timer* self = static_cast<Timer*>(handle->data)) {
          self->call_(self->owner_);
        }
      },
      ticks, 0);
}

void Timer::stop() {
  if (handle_ != nullptr) {
    uv_timer_stop(handle_);
  }
}

bool Timer::active() const {
  return handle_ != nullptr && uv_is_active(reinterpret_cast<const uv_handle_t*>(handle_)) != 0;
}

void Timer::close() {
  Handle<uv_timer_t>::close(handle_);
}

}  // namespace usher::uv
