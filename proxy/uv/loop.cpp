#include "proxy/uv/loop.h"

#include <uv.h>

#include <cstdio>
#include <thread>
#include <utility>
#include <vector>

#include "proxy/base/check.h"
#include "proxy/uv/poller.h"

namespace usher::uv {

struct Loop::State {
  uv_loop_t loop;
  uv_prepare_t turn;   // just before the loop waits: nobody's callback is running
  uv_idle_t not_idle;  // active while deferred work waits, so that the loop does not sleep on it
  std::unique_ptr<Poller> poller;
  std::function<void()> hook;
  std::vector<std::function<void()>> deferred;
  std::thread::id owner = std::this_thread::get_id();
};

Loop::Loop() : state_(std::make_unique<State>()) {
  CHECK(uv_loop_init(&state_->loop) == 0);
  state_->poller = std::make_unique<Poller>(&state_->loop);
  CHECK(uv_prepare_init(&state_->loop, &state_->turn) == 0);
  CHECK(uv_idle_init(&state_->loop, &state_->not_idle) == 0);
  state_->turn.data = state_->not_idle.data = state_.get();
  CHECK(uv_prepare_start(&state_->turn, [](uv_prepare_t* handle) {
          State& state = *static_cast<State*>(handle->data);
          if (state.hook) {
            state.hook();
          }
          if (!state.deferred.empty()) {
            uv_idle_stop(&state.not_idle);
            for (auto& work : std::exchange(state.deferred, {})) {
              work();
            }
          }
          state.poller->apply_changes();
        }) == 0);
  uv_unref(reinterpret_cast<uv_handle_t*>(&state_->turn));
}

Loop::~Loop() {
  state_->owner = std::this_thread::get_id();
  state_->hook = nullptr;
  while (!state_->deferred.empty()) {  // what waits may own handles: they close here, unrun
    std::exchange(state_->deferred, {}).clear();
  }
  uv_close(reinterpret_cast<uv_handle_t*>(&state_->turn), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&state_->not_idle), nullptr);
  state_->poller->close();
  bool left_over = !state_->poller->empty();
  const auto note_open = [](uv_handle_t* handle, void* found) {
    *static_cast<bool*>(found) = *static_cast<bool*>(found) || uv_is_closing(handle) == 0;
  };
  uv_walk(&state_->loop, note_open, &left_over);
  if (left_over) {  // before any callback runs into an owner that is gone
    std::fputs("uv::Loop destroyed with open handles:\n", stderr);
    uv_print_all_handles(&state_->loop, stderr);
    CHECK(false && "every handle must be closed before its loop");
  }
  // Only close callbacks and look-ups that a thread of libuv's pool is in the middle of: the pool
  // would write into the loop, so they are waited for.
  while (uv_run(&state_->loop, UV_RUN_DEFAULT) != 0) {
  }
  CHECK(uv_loop_close(&state_->loop) == 0);
}

void Loop::run() {
  state_->owner = std::this_thread::get_id();
  uv_run(&state_->loop, UV_RUN_DEFAULT);
}

void Loop::stop() {
  assert_thread();
  uv_stop(&state_->loop);
}

void Loop::update_now() {
  uv_update_time(&state_->loop);
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

Poller& Loop::poller() {
  return *state_->poller;
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
