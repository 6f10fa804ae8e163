#include "proxy/uv/poll.h"

#include <utility>

#include "proxy/base/check.h"
#include "proxy/uv/loop.h"
#include "proxy/uv/poller.h"

namespace usher::uv {

bool Poll::open_raw(Loop& loop, int fd, void* owner, Call call) {
  CHECK(poller_ == nullptr);
  loop.assert_thread();
  if (fd < 0) {
    return false;
  }
  poller_ = &loop.poller();
  fd_ = fd;
  owner_ = owner;
  call_ = call;
  wanted_ = registered_ = 0;
  change_pending_ = false;
  slot_ = poller_->add(*this);
  return true;
}

void Poll::watch(bool readable, bool writable, bool failures) {
  CHECK(poller_ != nullptr);
  wanted_ = static_cast<std::uint8_t>((readable ? kRead : 0) | (writable ? kWrite : 0) |
                                      (failures ? kFailure : 0));
  if (wanted_ != registered_ && !change_pending_) {
    change_pending_ = true;
    poller_->changed(*this);
  }
}

void Poll::close() {
  if (poller_ != nullptr && registered_ != 0) {
    poller_->unregister(fd_);
  }
  forget();
}

void Poll::close_with(UniqueFd& fd) {
  forget();
  fd.reset();  // the kernel forgets a closed descriptor by itself
}

void Poll::forget() {
  if (poller_ != nullptr) {
    std::exchange(poller_, nullptr)->forget(slot_);
  }
}

}  // namespace usher::uv
