#include "proxy/uv/poll.h"

#include "proxy/uv/handle.h"

namespace usher::uv {

bool Poll::open_raw(Loop& loop, int fd, void* owner, Call call) {
  CHECK(handle_ == nullptr);
  loop.assert_thread();
  uv_poll_t* handle = Handle<uv_poll_t>::make();
  if (uv_poll_init(loop.raw(), handle, fd) != 0) {
    Handle<uv_poll_t>::discard(handle);
    return false;
  }
  handle->data = this;
  handle_ = handle;
  owner_ = owner;
  call_ = call;
  watched_ = 0;
  return true;
}

void Poll::watch(bool readable, bool writable) {
  CHECK(handle_ != nullptr);
  const auto wanted =
      static_cast<std::uint8_t>((readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0));
  if (wanted == watched_) {
    return;
  }
  watched_ = wanted;
  if (wanted == 0) {
    uv_poll_stop(handle_);
    return;
  }
  uv_poll_start(handle_, wanted, [](uv_poll_t* handle, int status, int events) {
    Poll* self = static_cast<Poll*>(handle->data);
    if (self == nullptr) {
      return;  // closed earlier in this turn
    }
    Ready ready;
    if (status < 0) {
      self->watched_ = 0;  // libuv stops a handle that reports POLLERR
      ready.failed = true;
    } else {
      ready.readable = (events & UV_READABLE) != 0;
      ready.writable = (events & UV_WRITABLE) != 0;
    }
    self->call_(self->owner_, ready);
  });
}

void Poll::close() {
  Handle<uv_poll_t>::close(handle_);
}

}  // namespace usher::uv
