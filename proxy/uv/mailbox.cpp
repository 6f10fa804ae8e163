#include "proxy/uv/mailbox.h"

#include <mutex>
#include <utility>
#include <vector>

#include "proxy/uv/handle.h"

namespace usher::uv {

// Outlives the Mailbox for as long as work that destroys it is running.
struct Mailbox::State {
  std::mutex mutex;
  std::vector<std::function<void()>> waiting;
  uv_async_t* async = nullptr;  // null once closed; guarded by the mutex
  bool closed = false;          // the same for the loop's thread

  void run_all() {
    std::vector<std::function<void()>> work;
    {
      std::lock_guard lock(mutex);
      work.swap(waiting);
    }
    for (std::size_t i = 0; i < work.size() && !closed; ++i) {
      work[i]();
    }
  }
};

Mailbox::Mailbox(Loop& loop) : state_(std::make_shared<State>()) {
  state_->async = Handle<uv_async_t>::make();
  CHECK(uv_async_init(loop.raw(), state_->async, [](uv_async_t* handle) {
          if (handle->data != nullptr) {
            // A copy: the work may destroy the mailbox.
            const std::shared_ptr<State> state =
                *static_cast<std::shared_ptr<State>*>(handle->data);
            state->run_all();
          }
        }) == 0);
  state_->async->data = &state_;
}

Mailbox::~Mailbox() {
  close();
}

void Mailbox::post(std::function<void()> work) {
  std::lock_guard lock(state_->mutex);
  if (state_->async == nullptr) {
    return;
  }
  state_->waiting.push_back(std::move(work));
  uv_async_send(state_->async);
}

void Mailbox::close() {
  std::vector<std::function<void()>> dropped;  // dies after the lock: destructors may post
  std::lock_guard lock(state_->mutex);
  state_->closed = true;
  Handle<uv_async_t>::close(state_->async);
  dropped.swap(state_->waiting);
}

}  // namespace usher::uv
