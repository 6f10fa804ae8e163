#include "proxy/uv/poller.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "proxy/uv/handle.h"
#include "proxy/uv/poll.h"

namespace usher::uv {
namespace {

// As libuv takes them: enough for one system call a turn under load.
constexpr std::size_t kEventsPerTurn = 1024;

std::uint64_t key_of(std::uint32_t slot, std::uint32_t generation) {
  return std::uint64_t{generation} << 32 | slot;
}

// EPOLLERR and EPOLLHUP come without being asked for: kFailure alone is no event.
std::uint32_t epoll_events(std::uint8_t interest) {
  return ((interest & Poll::kRead) != 0 ? EPOLLIN : 0U) |
         ((interest & Poll::kWrite) != 0 ? EPOLLOUT : 0U);
}

}  // namespace

Poller::Poller(uv_loop_s* loop) : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  CHECK(epoll_ >= 0);
  handle_ = Handle<uv_poll_t>::make();
  CHECK(uv_poll_init(loop, handle_, epoll_) == 0);
  handle_->data = this;
  CHECK(uv_poll_start(handle_, UV_READABLE, [](uv_poll_t* handle, int, int) {
          if (Poller* self = static_cast<Poller*>(handle->data)) {
            self->dispatch();
          }
        }) == 0);
  uv_unref(reinterpret_cast<uv_handle_t*>(handle_));  // only open Polls keep the loop running
}

Poller::~Poller() {
  CHECK(handle_ == nullptr);
  ::close(epoll_);
}

void Poller::close() {
  Handle<uv_poll_t>::close(handle_);
}

std::uint32_t Poller::add(Poll& poll) {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const std::uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  slots_[slot].poll = &poll;
  if (++open_ == 1) {
    uv_ref(reinterpret_cast<uv_handle_t*>(handle_));
  }
  return slot;
}

void Poller::forget(std::uint32_t slot) {
  slots_[slot].poll = nullptr;
  ++slots_[slot].generation;
  free_slots_.push_back(slot);
  if (--open_ == 0 && handle_ != nullptr) {
    uv_unref(reinterpret_cast<uv_handle_t*>(handle_));
  }
}

void Poller::unregister(int fd) {
  (void)::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
}

void Poller::changed(Poll& poll) {
  changed_.push_back(key_of(poll.slot_, slots_[poll.slot_].generation));
}

void Poller::apply_changes() {
  // A failed registration calls an owner. What it asks for then is for the next turn: an owner that
  // tries again at once would keep this one from ever ending.
  applying_.swap(changed_);
  for (const std::uint64_t key : applying_) {
    const auto slot = static_cast<std::uint32_t>(key);
    if (key == key_of(slot, slots_[slot].generation)) {
      apply(*slots_[slot].poll, slot);
    }
  }
  applying_.clear();
}

void Poller::apply(Poll& poll, std::uint32_t slot) {
  poll.change_pending_ = false;
  if (poll.wanted_ == poll.registered_) {
    return;
  }
  epoll_event event{};
  event.events = epoll_events(poll.wanted_);
  event.data.u64 = key_of(slot, slots_[slot].generation);
  const int operation = poll.registered_ == 0 ? EPOLL_CTL_ADD
                        : poll.wanted_ == 0   ? EPOLL_CTL_DEL
                                              : EPOLL_CTL_MOD;
  if (::epoll_ctl(epoll_, operation, poll.fd_, &event) == 0) {
    poll.registered_ = poll.wanted_;
    return;
  }
  // No memory, fs.epoll.max_user_watches, or nothing that can be waited for.
  if (poll.registered_ != 0) {
    unregister(poll.fd_);
  }
  poll.wanted_ = poll.registered_ = 0;
  poll.call_(poll.owner_, Ready{.failed = true, .unwatchable = true});
}

void Poller::dispatch() {
  std::array<epoll_event, kEventsPerTurn> events;
  const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    const auto slot = static_cast<std::uint32_t>(event.data.u64);
    if (event.data.u64 != key_of(slot, slots_[slot].generation)) {
      continue;  // closed earlier in this turn
    }
    Poll& poll = *slots_[slot].poll;
    Ready ready;
    const bool hung_up = (event.events & EPOLLHUP) != 0;
    if ((event.events & EPOLLERR) != 0 || (hung_up && poll.wanted_ == Poll::kFailure)) {
      ready.failed = true;
      poll.watch(false, false);
    } else {
      ready.readable =
          (poll.wanted_ & Poll::kRead) != 0 && ((event.events & EPOLLIN) != 0 || hung_up);
      ready.writable =
          (poll.wanted_ & Poll::kWrite) != 0 && ((event.events & EPOLLOUT) != 0 || hung_up);
      if (!ready.readable && !ready.writable) {
        continue;  // no longer wanted since earlier in this turn
      }
    }
    poll.call_(poll.owner_, ready);
  }
}

}  // namespace usher::uv
