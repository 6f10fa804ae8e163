#include "proxy/uv/signal.h"

#include "proxy/uv/handle.h"

namespace usher::uv {

struct Signal::State {
  uv_signal_t* handle = nullptr;
  std::function<void()> on_signal;
};

Signal::Signal(Loop& loop, int number, std::function<void()> on_signal)
    : state_(std::make_shared<State>()) {
  state_->on_signal = std::move(on_signal);
  state_->handle = Handle<uv_signal_t>::make();
  CHECK(uv_signal_init(loop.raw(), state_->handle) == 0);
  state_->handle->data = &state_;
  CHECK(uv_signal_start(
            state_->handle,
            [](uv_signal_t* handle, int) {
              if (handle->data != nullptr) {
                // A copy: the callback may destroy the Signal.
                const std::shared_ptr<State> state =
                    *static_cast<std::shared_ptr<State>*>(handle->data);
                state->on_signal();
              }
            },
            number) == 0);
}

Signal::~Signal() {
  Handle<uv_signal_t>::close(state_->handle);
}

}  // namespace usher::uv
