#include "proxy/uv/loop.h"

#include <uv.h>

#include <cstdio>
#include <thread>
#include <utility>
#include <vector>

#include "proxy/base/check.h"

namespace usher::uv {

struct Loop::State {
  uv_loop_t loop;
  uv_prepare_t
      turn;  // the top of a turn: just before the loop waits, no callback of anybody is running
  uv_idle_t not_idle;  // active while deferred work waits, so that the loop does not sleep on it
  std::function<void()> hook;
  std::vector<std::function<void()>> deferred;
  std::thread::id owner = std::this_thread::get_id();
};

Loop::Loop() : state_(std::make_unique<State>()) {
  CHECK(uv_loop_init(&state_->loop) == 0);
  CHECK(uv_prepare_init(&state_->loop, &state_->turn) == 0);
  CHECK(uv_idle_init(&state_->loop, &state_->not_idle) == 0);
  state_->turn.data = state_->not_idle.data = state_.get();
  CHECK(uv_prepare_start(&state_->turn, [](uv_prepare_t* handle) {
          State& state = *static_cast<State*>(handle->data);
          if (state.hook) {
            state.hook();
          }
          if (state.deferred.empty()) {
            return;
          }
          uv_idle_stop(&state.not_idle);
          for (auto& work : std::exchange(state.deferred, {})) {
            work();
          }
        }) == 0);
  uv_unref(reinterpret_cast<uv_handle_t*>(&state_->turn));
}

Loop::~Loop() {
  uv_close(reinterpret_cast<uv_handle_t*>(&state_->turn), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&state_->not_idle), nullptr);
  uv_run(&state_->loop, UV_RUN_NOWAIT);
  uv_run(&state_->loop, UV_RUN_NOWAIT);
  if (uv_loop_close(&state_->loop) != 0) {
    std::fputs("uv::Loop destroyed with open handles:\n", stderr);
    uv_print_all_handles(&state_->loop, stderr);
    CHECK(!"every handle must be closed before its loop");
  }
}

void Loop::run() {
  state_->owner = std::this_thread::get_id();
  uv_run(&state_->loop, UV_RUN_DEFAULT);
}

void Loop::stop() {
  assert_thread();
  uv_stop(&state_->loop);
}

LoopTime Loop::now() const {
  return LoopTime(uv_now(&state_->loop));
}

void Loop::at_turn_start(std::function<void()> hook) {
  state_->hook = std::move(hook);
}

void Loop::defer(std::function<void()> work) {
  assert_thread();
  state_->deferred.push_back(std::move(work));
  uv_idle_start(&state_->not_idle, [](uv_idle_t*) {});
}

uv_loop_s* Loop::raw() {
  return &state_->loop;
}

void Loop::assert_thread() const {
#ifndef NDEBUG
  CHECK(state_->owner == std::this_thread::get_id());
#endif
}

}  // namespace usher::uv
